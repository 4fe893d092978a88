"""An exact ledger: assets, accounts, balanced transfers, lots with expiry and funder, holds, limits. Knows no members, no points."""
