"""The schedule: what can be done before the loop over time, what after it, and what only inside. Runs nothing."""

from __future__ import annotations

from unrolled.equations.graph import Graph

BEFORE, DURING, AFTER = "before", "during", "after"


def schedule(graph: Graph) -> tuple[str, ...]:
    """For each node: "before", "during" or "after" the loop over time.

    What depends on no state can be computed for all steps at once before the loop; what depends on a state
    but feeds none, after it; the rest is the loop.
    """
    sources = {state.before for state in graph.states}
    depends = set(sources)
    for place, node in enumerate(graph.nodes):
        if depends.intersection(node.operands):
            depends.add(place)
    feeds = {state.after for state in graph.states}
    for place in reversed(range(len(graph.nodes))):
        if place in feeds:
            feeds.update(graph.nodes[place].operands)
    return tuple(
        BEFORE if place not in depends else DURING if place in feeds or place in sources else AFTER
        for place in range(len(graph.nodes))
    )


def products(graph: Graph) -> list[tuple[str, str]]:
    """Every matrix product of the graph, as the name of its matrix, and when it can be done."""
    when = schedule(graph)
    slots = [
        (graph.nodes[node.operands[1]].attributes["slot"], when[place])
        for place, node in enumerate(graph.nodes)
        if node.operation == "linear"
    ]
    return [(graph.parameters[slot].name, moment) for slot, moment in slots]
