"""The command line. Each command imports what it needs when it runs, so that `--help` and `serve` start at once.

Standard output belongs to what a command answers; everything said meanwhile goes to standard error. A command that
cannot do what it was asked says why in one sentence and ends with 1; an import that left rows out ends with 3.
"""

import asyncio
import json as json_module
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from regulars.kernel.errors import DomainError

if TYPE_CHECKING:
    from regulars.bootstrap.history import HistoryVerb
    from regulars.bootstrap.importing import ImportKind
    from regulars.platform.settings import Settings

EXIT_REFUSED = 1
EXIT_ROWS_REJECTED = 3

app = typer.Typer(
    name="regulars",
    help="A self-hosted member ecosystem server. Start with `regulars demo`, then `regulars serve`.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
brand_app = typer.Typer(help="Brands: tenants of this deployment.", no_args_is_help=True)
import_app = typer.Typer(help="Bring in history from CSV, JSONL or Parquet files.", no_args_is_help=True)
history_app = typer.Typer(help="The event history: how far it is, and keeping it in order.", no_args_is_help=True)
tags_app = typer.Typer(help="Tags: weighted labels on members, with their evidence.", no_args_is_help=True)
programme_app = typer.Typer(help="A loyalty programme's file: put in force, compared, tried.", no_args_is_help=True)
ledger_app = typer.Typer(help="The books: checked, told and written down.", no_args_is_help=True)
app.add_typer(brand_app, name="brand")
app.add_typer(import_app, name="import")
app.add_typer(history_app, name="history")
app.add_typer(tags_app, name="tags")
app.add_typer(ledger_app, name="ledger")
app.add_typer(programme_app, name="programme")

Home = Annotated[Path | None, typer.Option("--home", help="Folder that holds the deployment [REGULARS_HOME].")]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON on standard output.")]
Files = Annotated[list[Path], typer.Argument(help="CSV, JSONL or Parquet; .gz, .bz2, .xz too.")]
Map = Annotated[list[str] | None, typer.Option("--map", metavar="COLUMN=FIELD", help="Which column is which field.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read and check everything, write nothing.")]
Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="HOLDER/ASSET, as in member:m42/points.")]
BrandName = Annotated[str, typer.Option("--brand", help="Whose data it is.")]
OneBrand = Annotated[str | None, typer.Option("--brand", help="Of this brand alone [all].")]
ProgrammeYaml = Annotated[Path, typer.Argument(metavar="FILE", help="YAML: a programme's name and its sections.")]
Encoding = Annotated[str | None, typer.Option("--encoding", help="Of a CSV that is not UTF-8, such as cp950.")]


def main() -> None:
    """Run the command line; a refusal is one sentence on stderr and exit code 1."""
    try:
        app(prog_name="regulars")
    except DomainError as error:
        print(f"regulars: {error.message}", file=sys.stderr)
        if error.suggestion and error.suggestion not in error.message:
            print(f"  Try: {error.suggestion}", file=sys.stderr)
        sys.exit(EXIT_REFUSED)


def _start(home: Path | None) -> "Settings":
    """Settings with the command's own words on top, and logging as they say."""
    from regulars.platform.settings import read_settings
    from regulars.platform.telemetry import configure_logging

    settings = read_settings(home=home)
    configure_logging(settings.log_level, settings.log_format)
    return settings


@app.command()
def serve(
    home: Home = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 0,
    json: Json = False,
) -> None:
    """Serve the API: starts PostgreSQL, web and worker, and keeps them running until it is told to stop."""
    from regulars.bootstrap.serving import serve_deployment

    sys.exit(serve_deployment(_start(home), host=host, port=port, json=json))


@app.command(hidden=True)
def web(fd: Annotated[int, typer.Option()], home: Home = None) -> None:
    """The web process of `serve`."""
    from regulars.bootstrap.serving import get_child_dsn
    from regulars.bootstrap.web import run_web

    settings = _start(home)
    run_web(settings, get_child_dsn(settings), fd)


@app.command(hidden=True)
def worker(home: Home = None) -> None:
    """The worker process of `serve`."""
    from regulars.bootstrap.serving import get_child_dsn
    from regulars.bootstrap.worker import run_worker

    settings = _start(home)
    run_worker(settings, get_child_dsn(settings))


@brand_app.command("add")
def brand_add(
    name: Annotated[str, typer.Argument(help="1–100 characters.")], home: Home = None, json: Json = False
) -> None:
    """Add a brand; answers its keys, which HOME/credentials.json keeps too."""
    from regulars.bootstrap.deployment import add_brand, open_deployment

    with open_deployment(_start(home)) as deployment:
        keys = asyncio.run(add_brand(deployment, name))
    told = {"name": name, "api_key": keys.api_key, "write_key": keys.write_key}
    print(json_module.dumps(told, ensure_ascii=False) if json else "\n".join(f"{k}: {v}" for k, v in told.items()))


@brand_app.command("list")
def brand_list(home: Home = None, json: Json = False) -> None:
    """List the brands of this deployment."""
    from regulars.bootstrap.deployment import list_brands, open_deployment

    with open_deployment(_start(home)) as deployment:
        names = asyncio.run(list_brands(deployment))
    print(json_module.dumps({"brands": names}, ensure_ascii=False) if json else "\n".join(names))


@import_app.command("members")
def import_members(
    files: Files,
    home: Home = None,
    map: Map = None,
    dry_run: DryRun = False,
    json: Json = False,
    brand: BrandName = "default",
    encoding: Encoding = None,
) -> None:
    """Members: identity columns (user_id, card, phone, email, line …), all others become traits."""
    _import("members", files, home, map, dry_run=dry_run, json=json, brand=brand, encoding=encoding)


@import_app.command("items")
def import_items(
    files: Files,
    home: Home = None,
    map: Map = None,
    dry_run: DryRun = False,
    json: Json = False,
    brand: BrandName = "default",
    encoding: Encoding = None,
) -> None:
    """Items: id, name, category, price; all others become attributes."""
    _import("items", files, home, map, dry_run=dry_run, json=json, brand=brand, encoding=encoding)


@import_app.command("events")
def import_events(
    files: Files,
    home: Home = None,
    map: Map = None,
    dry_run: DryRun = False,
    json: Json = False,
    brand: BrandName = "default",
    encoding: Encoding = None,
    name: Annotated[str | None, typer.Option("--name", help="The event's name, where no column holds it.")] = None,
) -> None:
    """Events: an identity, name, time, typed columns (revenue, order_id …); all others become properties."""
    _import("events", files, home, map, dry_run=dry_run, json=json, brand=brand, encoding=encoding, name=name)


def _import(
    kind: "ImportKind",
    files: list[Path],
    home: Path | None,
    overrides: list[str] | None,
    *,
    dry_run: bool,
    json: bool,
    brand: str,
    encoding: str | None,
    name: str | None = None,
) -> None:
    from regulars.bootstrap.deployment import open_deployment
    from regulars.bootstrap.importing import ImportOrder, import_files

    order = ImportOrder(
        kind, files, overrides=overrides or [], dry_run=dry_run, brand=brand, encoding=encoding, event_name=name
    )
    try:
        with open_deployment(_start(home)) as deployment:
            totals = asyncio.run(import_files(deployment, order))
    except KeyboardInterrupt:
        sys.exit(130)
    if json:
        print(json_module.dumps(totals, ensure_ascii=False))
    sys.exit(EXIT_ROWS_REJECTED if totals["rejected"] else 0)


@history_app.command("status")
def history_status(home: Home = None, brand: OneBrand = None, json: Json = False) -> None:
    """Say what is moved, what waits in the tail, and what erased members have left to remove."""
    _history("status", home, brand, json=json)


@history_app.command("flush")
def history_flush(home: Home = None, json: Json = False) -> None:
    """Move everything that waits in the tail, now."""
    _history("flush", home, None, json=json)


@history_app.command("compact")
def history_compact(home: Home = None, brand: OneBrand = None, json: Json = False) -> None:
    """Move everything, join small files and order them by member, now; the worker does it every night."""
    _history("compact", home, brand, json=json)


@history_app.command("verify")
def history_verify(home: Home = None, brand: OneBrand = None, json: Json = False) -> None:
    """Check that every event is there exactly once, and as many as were counted; ends with 1 where not."""
    _history("verify", home, brand, json=json)


def _history(verb: "HistoryVerb", home: Path | None, brand: str | None, *, json: bool) -> None:
    from regulars.bootstrap.deployment import open_deployment
    from regulars.bootstrap.history import run_history

    settings = _start(home)
    with open_deployment(settings) as deployment:
        code = run_history(deployment, settings, verb, brand=brand, json=json)
    sys.exit(code)


@programme_app.command("apply")
def programme_apply(file: ProgrammeYaml, home: Home = None, brand: BrandName = "default", json: Json = False) -> None:
    """Put a programme in force; a new version where it says something new."""
    from regulars.bootstrap.deployment import open_deployment
    from regulars.bootstrap.programme import run_apply

    with open_deployment(_start(home)) as deployment:
        run_apply(deployment, brand, file, json=json)


@programme_app.command("diff")
def programme_diff(file: ProgrammeYaml, home: Home = None, brand: BrandName = "default", json: Json = False) -> None:
    """Say what a file would change of what is in force."""
    from regulars.bootstrap.deployment import open_deployment
    from regulars.bootstrap.programme import run_diff

    with open_deployment(_start(home)) as deployment:
        run_diff(deployment, brand, file, json=json)


@programme_app.command("dry-run")
def programme_dry_run(file: ProgrammeYaml, home: Home = None, brand: BrandName = "default", json: Json = False) -> None:
    """Say who would have got what over the whole history, and what would be owed; write nothing."""
    from regulars.bootstrap.deployment import open_deployment
    from regulars.bootstrap.programme import run_dry_run

    settings = _start(home)
    with open_deployment(settings) as deployment:
        run_dry_run(deployment, settings, brand, file, json=json)


@ledger_app.command("check")
def ledger_check(home: Home = None, brand: BrandName = "default", json: Json = False) -> None:
    """Count everything again; says what is wrong and where, and ends with 1 then."""
    from regulars.bootstrap.deployment import open_deployment
    from regulars.bootstrap.ledger import run_check

    with open_deployment(_start(home)) as deployment:
        code = run_check(deployment, brand, json=json)
    sys.exit(code)


@ledger_app.command("balance")
def ledger_balance(account: Account, home: Home = None, brand: BrandName = "default", json: Json = False) -> None:
    """Say what an account has: posted, held, and what can be spent."""
    from regulars.bootstrap.deployment import open_deployment
    from regulars.bootstrap.ledger import run_balance

    with open_deployment(_start(home)) as deployment:
        run_balance(deployment, brand, account, json=json)


@ledger_app.command("statement")
def ledger_statement(account: Account, home: Home = None, brand: BrandName = "default", json: Json = False) -> None:
    """List the newest lines of an account, with the lots that each drew or made."""
    from regulars.bootstrap.deployment import open_deployment
    from regulars.bootstrap.ledger import run_statement

    with open_deployment(_start(home)) as deployment:
        run_statement(deployment, brand, account, json=json)


@ledger_app.command("liability")
def ledger_liability(home: Home = None, brand: BrandName = "default", json: Json = False) -> None:
    """Say what is outstanding, by asset, month of expiry and who paid for it."""
    from regulars.bootstrap.deployment import open_deployment
    from regulars.bootstrap.ledger import run_liability

    with open_deployment(_start(home)) as deployment:
        run_liability(deployment, brand, json=json)


@ledger_app.command("export")
def ledger_export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="It is written anew.")],
    format: Annotated[Literal["hledger", "beancount"], typer.Option(help="Whose journal it becomes.")] = "hledger",
    home: Home = None,
    brand: BrandName = "default",
) -> None:
    """Write everything that was posted as a journal of hledger or Beancount."""
    from regulars.bootstrap.deployment import open_deployment
    from regulars.bootstrap.ledger import run_export

    with open_deployment(_start(home)) as deployment:
        run_export(deployment, brand, file, format)


@tags_app.command("explain")
def tags_explain(
    member: Annotated[str, typer.Argument(metavar="MEMBER", help="The member's id.")],
    home: Home = None,
    json: Json = False,
    brand: BrandName = "default",
) -> None:
    """Say why a member has its tags: weight, lift over everybody, half-life, evidence, and the numbers behind them."""
    from regulars.bootstrap.deployment import open_deployment
    from regulars.bootstrap.tags import run_explain

    settings = _start(home)
    with open_deployment(settings) as deployment:
        run_explain(deployment, settings, brand, member, json=json)


@app.command()
def demo(
    home: Home = None,
    today: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="Day before which the data ends [the present day]."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Who is reached where, and all that is drawn again, follows from it.")] = 1,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="End when all is told, on a terminal too.")] = False,
    points: Annotated[
        bool, typer.Option("--points", help="A new home's baskets earn points too: minutes more.")
    ] = False,
    json: Json = False,
) -> None:
    """Load a year of a grocer's loyalty cards, read it back, tell what is there, and send campaigns to a simulator.

    Loads dunnhumby's The Complete Journey, moved by whole weeks to end in the week before --today; what is there already
    is not written again. On a terminal it then serves until Ctrl-C, else it ends.
    """
    from regulars.bootstrap.demo.run import DemoOrder, run_demo

    serves_on = sys.stdout.isatty() and not no_serve and not json
    order = DemoOrder(None if today is None else today.date(), serves_on=serves_on, json=json, seed=seed, points=points)
    sys.exit(run_demo(_start(home), order))


@app.command()
def simulate(
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 0,
    json: Json = False,
    webhook: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="Where events go: a URL, line=URL or telegram=URL; may be given again."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    seed: Annotated[
        int | None, typer.Option(help="Tokens and ids follow from it [they cannot be guessed].", show_default=False)
    ] = None,
) -> None:
    """Stand in for LINE and Telegram on this machine: their HTTP, quotas, faults, webhooks, and the members' phones.

    Nothing leaves this machine and nothing is kept: what was sent is gone when it ends.
    """
    from regulars.bootstrap.simulating import SimulateOptions, run_simulator
    from regulars.platform.telemetry import configure_logging

    configure_logging("info", "text")
    run_simulator(SimulateOptions(host=host, port=port, json=json, seed=seed, webhooks=webhook or []))


@app.command()
def doctor(home: Home = None, json: Json = False) -> None:
    """Say what is wrong with this machine or deployment, and how to mend it."""
    from regulars.bootstrap.doctor import run_doctor

    sys.exit(run_doctor(_start(home), json=json))


@app.command()
def bench(
    name: Annotated[str, typer.Argument(metavar="NAME", help="audience, dispatch, ingest, plan or start.")],
    light: Annotated[bool, typer.Option("--light", help="A small form, of plan: what it tells is no bar.")] = False,
    json: Json = False,
) -> None:
    """Measure speed as a ratio against its bar; ends with 1 where the bar is missed."""
    from regulars.bootstrap.bench.report import show_result
    from regulars.bootstrap.bench.run import run_bench

    result = run_bench(name, lambda text: print(text, file=sys.stderr), is_light=light)
    print(show_result(result, json=json))
    sys.exit(0 if result.ok else EXIT_REFUSED)


@app.command()
def lift(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, JSONL or Parquet; .gz, .bz2, .xz too.")],
    arm: Annotated[str, typer.Option(metavar="COLUMN", help="Which column says what a member got.")],
    control: Annotated[str, typer.Option(metavar="VALUE", help="Its value of those who got nothing.")],
    outcome: Annotated[list[str], typer.Option(metavar="COLUMN", help="What is compared; several may follow.")],
    column: Annotated[list[str] | None, typer.Argument(metavar="[COLUMN]...", help="More outcomes.")] = None,
    covariate: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="A number of before the treatment, to be taken out (CUPED).")
    ] = None,
    share: Annotated[
        list[str] | None,
        typer.Option(metavar="ARM=WEIGHT", help="Of every arm: checks that they hold as many as were drawn."),
    ] = None,
    json: Json = False,
    encoding: Encoding = None,
) -> None:
    """Compare the arms of any randomised experiment in a file: lift with its 95 % interval, p, and what that says."""
    from regulars.bootstrap.lift import LiftOrder, run_lift

    order = LiftOrder(file, arm, control, [*outcome, *(column or [])], covariate, share or [], encoding)
    run_lift(order, json=json)


@app.command()
def version() -> None:
    """Print the version."""
    import regulars

    print(regulars.__version__)
