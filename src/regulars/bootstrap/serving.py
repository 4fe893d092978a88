"""`regulars serve`: the supervisor, told what a deployment is."""

from collections.abc import Mapping
from pathlib import Path

from regulars.bootstrap.deployment import FIRST_BRAND, ensure_home, prepare_deployment, read_credentials
from regulars.bootstrap.metrics import close_metrics, forget_standing, open_metrics
from regulars.bootstrap.supervisor import ServeOptions, run_supervisor
from regulars.platform.errors import SettingInvalid
from regulars.platform.settings import Settings
from regulars.platform.telemetry import METRICS_FOLDER


def serve_deployment(settings: Settings, *, host: str, port: int, json: bool) -> int:
    """Serve until told to stop; returns the exit code. Raises: EngineMissing."""
    if settings.engine is not None:
        from regulars.bootstrap.history import build_cluster

        build_cluster(settings)  # refused now, and not by a child that would be started again and again
    home = ensure_home(settings)
    known: dict[str, Mapping[str, str]] = {}
    environment = _tell_children(settings)

    def prepare(dsn: str) -> None:
        keys = read_credentials(prepare_deployment(settings, dsn))[FIRST_BRAND]
        known["keys"] = {"api_key": keys.api_key, "write_key": keys.write_key}
        environment[METRICS_FOLDER] = str(open_metrics(home))

    def ready(url: str) -> Mapping[str, str]:
        return {"url": url, **known["keys"], "home": str(home)}

    options = ServeOptions(
        home=home,
        host=host,
        port=port,
        json=json,
        database_url=settings.database_url,
        prepare=prepare,
        ready=ready,
        ended=lambda name: forget_standing(Path(environment[METRICS_FOLDER]), name),
        environment=environment,
    )
    try:
        return run_supervisor(options)
    finally:
        if METRICS_FOLDER in environment:
            close_metrics(Path(environment[METRICS_FOLDER]))


def _tell_children(settings: Settings) -> dict[str, str]:
    """What the children need to know of our settings besides what they read themselves."""
    told = {"REGULARS_LOG_LEVEL": settings.log_level, "REGULARS_LOG_FORMAT": settings.log_format}
    return told if settings.public_url is None else {**told, "REGULARS_PUBLIC_URL": settings.public_url.rstrip("/")}


def get_child_dsn(settings: Settings) -> str:
    """The database that the supervisor named. Raises: SettingInvalid."""
    if settings.database_url is None:
        raise SettingInvalid("this process is started by `regulars serve`, which tells it its database")
    return settings.database_url
