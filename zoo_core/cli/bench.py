"""`zoo bench`: latency and throughput of a compiled model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo_core.cli import options
from zoo_core.cli.json_output import give, give_lines
from zoo_core.cli.options import JsonTo, Output, Quiet, Verbose, with_request
from zoo_core.cli.progress import progress
from zoo_core.errors import SpeedGateError
from zoo_core.planning.request import RunRequest

if TYPE_CHECKING:
    from zoo_core.commands.bench import BenchRequest

_PANEL = "single-stream|multi-stream|server|offline"

Scenario = Annotated[
    str | None,
    typer.Option(metavar=_PANEL, help="MLPerf's; default: single-stream, then offline."),
]
SamplesPerQuery = Annotated[int, typer.Option(min=1, help="Of multi-stream.")]
TargetQps = Annotated[
    float | None, typer.Option(metavar="X", help="Arrivals a second, for server.")
]
Duration = Annotated[
    float | None, typer.Option(metavar="S", help="Least seconds of a scenario; default 5.")
]
MinSamples = Annotated[
    int | None, typer.Option(min=1, help="Least queries, however long they take.")
]
Versus = Annotated[
    str | None,
    typer.Option(
        "--vs",
        metavar="[BACKEND][:PRECISION][,KEY=VALUE...]",
        help="Run another build in turns with this one, and test the difference.",
    ),
]
Profile = Annotated[
    bool, typer.Option("--profile", help="Time of each operator, and a Chrome trace.")
]
Sweep = Annotated[
    str | None,
    typer.Option(
        metavar="NAME[=V:V...],...",
        help="Look for the best batch, threads, streams, or a backend's option.",
    ),
]
Images = Annotated[
    Path | None,
    typer.Option(help="Images for the breakdown; default: the sample's scenes."),
]
NoBreakdown = Annotated[bool, typer.Option("--no-breakdown", help="Time no real images.")]
MaxP90 = Annotated[
    float | None, typer.Option("--max-p90-ms", help="Gate: exit 4 where p90 is above.")
]
MaxP99 = Annotated[
    float | None, typer.Option("--max-p99-ms", help="Gate: exit 4 where p99 is above.")
]
MinThroughput = Annotated[float | None, typer.Option(help="Gate: exit 4 where images/s are below.")]
MinSpeedup = Annotated[
    float | None, typer.Option(help="Gate: exit 4 where it is fewer times as fast as --vs.")
]


@with_request(options.target, options.assets, options.calibration)
def bench(
    request: RunRequest,
    scenario: Scenario = None,
    samples_per_query: SamplesPerQuery = 8,
    target_qps: TargetQps = None,
    duration: Duration = None,
    min_samples: MinSamples = None,
    vs: Versus = None,
    profile: Profile = False,
    sweep: Sweep = None,
    images: Images = None,
    no_breakdown: NoBreakdown = False,
    max_p90_ms: MaxP90 = None,
    max_p99_ms: MaxP99 = None,
    min_throughput: MinThroughput = None,
    min_speedup: MinSpeedup = None,
    output: Output = None,
    json_to: JsonTo = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Measure latency and throughput of the compiled model."""
    from zoo_core.commands.bench import BenchRequest, settings_of
    from zoo_core.reporting.gates import SpeedGates

    how = BenchRequest(
        settings=settings_of(scenario, samples_per_query, target_qps, duration, min_samples),
        versus=vs,
        images=images,
        breakdown=not no_breakdown,
        profile=profile,
        sweep=sweep,
        gates=SpeedGates(
            max_p90_ms=max_p90_ms,
            max_p99_ms=max_p99_ms,
            min_throughput=min_throughput,
            min_speedup=min_speedup,
        ),
    )
    return _carry_out(request, how, output, json_to, (verbose, quiet))


def _carry_out(
    request: RunRequest,
    how: BenchRequest,
    output: Path | None,
    json_to: str | None,
    loudness: tuple[bool, bool],
) -> int:
    from zoo_core.commands.bench import bench_report

    verbose, quiet = loudness
    report = bench_report(request, how, progress(quiet, verbose), output)
    refused = how.gates.verdict(report)
    if refused is None or isinstance(refused, SpeedGateError):
        give(report.to_data(), json_to, report.lines(), quiet)
    else:  # the JSON is the error then; the report is in its folder
        give_lines(json_to, report.lines(), quiet)
    if refused:
        raise refused
    return 0
