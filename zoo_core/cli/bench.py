"""`zoo bench`: measure latency and throughput of a compiled model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo_core.cli import options
from zoo_core.cli.gates import Ending, GateExpr, Junit, Strict
from zoo_core.cli.json_output import print_report
from zoo_core.cli.options import JsonTo, Output, Quiet, Verbose, with_request
from zoo_core.cli.progress import progress
from zoo_core.planning.request import RunRequest

_SCENARIOS = "single-stream|multi-stream|server|offline"

Scenario = Annotated[
    str | None,
    typer.Option(metavar=_SCENARIOS, help="MLPerf scenario; default: single-stream, then offline."),
]
SamplesPerQuery = Annotated[
    int, typer.Option(metavar="N", min=1, help="Samples per query of multi-stream.")
]
TargetQps = Annotated[float | None, typer.Option(metavar="X", help="Queries per second of server.")]
Duration = Annotated[
    float | None,
    typer.Option(metavar="S", help="Minimum duration of a scenario in seconds; default: 5."),
]
MinSamples = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Minimum number of queries.")
]
Versus = Annotated[
    str | None,
    typer.Option(
        "--vs",
        metavar="[BACKEND][:PRECISION][,KEY=VALUE...]",
        help="Compare with another build, measured alternately; test the difference.",
    ),
]
Profile = Annotated[
    bool, typer.Option("--profile", help="Time each operator, and write a Chrome trace.")
]
Sweep = Annotated[
    str | None,
    typer.Option(
        metavar="NAME[=V:V...],...",
        help="Search for the best batch, threads, streams or backend option.",
    ),
]
Images = Annotated[
    Path | None,
    typer.Option(help="Images for the breakdown; default: the sample's scenes."),
]
NoBreakdown = Annotated[
    bool, typer.Option("--no-breakdown", help="Skip the breakdown on real images.")
]
MaxP90 = Annotated[
    float | None,
    typer.Option("--max-p90-ms", metavar="X", help="Gate: exit 4 if p90 latency is above X ms."),
]
MaxP99 = Annotated[
    float | None,
    typer.Option("--max-p99-ms", metavar="X", help="Gate: exit 4 if p99 latency is above X ms."),
]
MinThroughput = Annotated[
    float | None,
    typer.Option(metavar="X", help="Gate: exit 4 if throughput is below X images/s."),
]
MinSpeedup = Annotated[
    float | None,
    typer.Option(metavar="X", help="Gate: exit 4 if speedup over --vs is below X."),
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
    gate: GateExpr = None,
    strict: Strict = False,
    junit: Junit = None,
    output: Output = None,
    json_to: JsonTo = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Measure latency and throughput of a compiled model."""
    from zoo_core.commands.bench import BenchRequest, bench_report, settings_of
    from zoo_core.reporting.gates.expression import parse_gates, speed_gates
    from zoo_core.reporting.terminal import report_lines

    ending = Ending("bench", strict, junit)
    ending.keep_apart(json_to, output)
    with ending.told():
        limits = speed_gates(
            **{"max_p90_ms": max_p90_ms, "max_p99_ms": max_p99_ms},
            **{"min_throughput": min_throughput, "min_speedup": min_speedup},
        )
        how = BenchRequest(
            settings=settings_of(scenario, samples_per_query, target_qps, duration, min_samples),
            versus=vs,
            images=images,
            breakdown=not no_breakdown,
            profile=profile,
            sweep=sweep,
            gates=(*limits, *parse_gates(gate or ())),
        )
        report = bench_report(request, how, progress(quiet, verbose), output)
    head, lines = report.header, report_lines(report)
    print_report(report.to_data(), json_to, [*lines, f"report: {head.output}"], quiet)
    title = f"{head.title} {head.precision} on {head.backend}/{head.device}"
    return ending.finish(report.gates, head.output, title=title, stages=head.stages, lines=lines)
