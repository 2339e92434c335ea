# SPDX-License-Identifier: Apache-2.0
"""tools/recipes/grafana-dashboard.json: its queries, and the names that a store makes of ours.

Names: OpenTelemetry's specification, compatibility/prometheus_and_openmetrics.md, "Metric Metadata"."""
import json
import pathlib
import re

PATH = pathlib.Path(__file__).resolve().parents[2] / "tools/recipes/grafana-dashboard.json"
UNITS = {"s": "seconds", "By": "bytes", "W": "watts", "Cel": "celsius", "1": "ratio"}


def name(metric, kind, unit):
    words = [metric.replace(".", "_")]
    if unit in UNITS and (unit != "1" or kind == "gauge"):
        words.append(UNITS[unit])
    return "_".join(words + (["total"] if kind == "counter" else []))


def queries():
    """{(panel, letter): expression}"""
    return {(panel["title"], target["refId"]): target["expr"] for panel in json.loads(PATH.read_text())["panels"]
            for target in panel["targets"]}


def asked():
    """Each expression, those of the variables too."""
    variables = [one["query"]["query"] for one in json.loads(PATH.read_text())["templating"]["list"] if one["type"] == "query"]
    return list(queries().values()) + variables


def metrics():
    return {found for text in asked() for found in re.findall(r"\b(?:system|process|hw|pillion)_[a-z_]+(?=[{\[]|, \$job_label\))", text)}


def labels():
    found = set()
    for text in asked():
        for group in re.findall(r"\bby \(([^)]*)\)", text):
            found |= set(group.split(", "))
        found |= set(re.findall(r"[{ ]([$\w]+)=~?\"", text))
    return found


def ready(text, job_label, run_label, job=".*", run=".*", seconds=300):
    """As Grafana would ask it."""
    values = {"$job_label": job_label, "$run_label": run_label, "$job": job, "$run": run, "$__range": "%ds" % seconds,
              "$__rate_interval": "10s"}
    for key in sorted(values, key=len, reverse=True):
        text = text.replace(key, values[key])
    return text
