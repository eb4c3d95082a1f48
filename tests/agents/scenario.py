"""Names scenarios: a function marked with `@scenario("…")` in an agent's module is one line of the report."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Callable, NamedTuple


class Scenario(NamedTuple):
    """One promise about one agent, and the body that drives the agent and checks it."""

    name: str
    body: Callable[[Any], None]


def scenario(name: str) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Marks a function taking the agent's world as a scenario."""

    def mark(body: Callable[[Any], None]) -> Callable[[Any], None]:
        body.scenario = Scenario(name, body)  # type: ignore[attr-defined]
        return body

    return mark


def scenarios_of(module: ModuleType) -> list[Scenario]:
    """Returns a module's scenarios in the order they are written, which is the order they run."""
    return [value.scenario for value in vars(module).values() if callable(value) and hasattr(value, "scenario")]
