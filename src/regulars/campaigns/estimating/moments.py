"""Counts and moments: all that a comparison needs to know of an arm, small enough to be added up batch by batch."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many members an arm has, and how many of them did what was hoped for."""

    members: int
    converted: int

    def __post_init__(self) -> None:
        if not 0 <= self.converted <= self.members:
            raise ValueError(f"{self.converted} of {self.members} members cannot have converted")


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean and sums of squared deviations of an outcome, and of a covariate beside it where there is one.

    Units: ``squares`` and ``products`` are sums over members of products of deviations from the means, not divided.
    """

    members: int = 0
    mean: float = 0.0
    squares: float = 0.0
    covariate_mean: float = 0.0
    covariate_squares: float = 0.0
    products: float = 0.0

    @property
    def variance(self) -> float:
        """Unbiased; NaN of fewer than two members."""
        return self.squares / (self.members - 1) if self.members > 1 else float("nan")

    def __add__(self, other: "Moments") -> "Moments":
        """The moments of both together, without cancellation.

        Source: Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979.
        """
        if not self.members or not other.members:
            return other if other.members else self
        members = self.members + other.members
        weight = self.members * other.members / members
        step = other.mean - self.mean
        covariate_step = other.covariate_mean - self.covariate_mean
        return Moments(
            members,
            self.mean + step * other.members / members,
            self.squares + other.squares + step * step * weight,
            self.covariate_mean + covariate_step * other.members / members,
            self.covariate_squares + other.covariate_squares + covariate_step * covariate_step * weight,
            self.products + other.products + step * covariate_step * weight,
        )


def get_moments(values: NDArray[Any], covariate: NDArray[Any] | None = None) -> Moments:
    """Moments of one value a member. Shape: both (members,)."""
    outcome = np.asarray(values, dtype=np.float64)
    if not outcome.size:
        return Moments()
    deviations = outcome - outcome.mean()
    squares = float(deviations @ deviations)
    if covariate is None:
        return Moments(outcome.size, float(outcome.mean()), squares)
    beside = np.asarray(covariate, dtype=np.float64)
    beside_deviations = beside - beside.mean()
    return Moments(
        outcome.size,
        float(outcome.mean()),
        squares,
        float(beside.mean()),
        float(beside_deviations @ beside_deviations),
        float(deviations @ beside_deviations),
    )
