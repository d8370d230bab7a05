"""A request's stop at a component call, as what the runner plans with. Called whenever a fiber parks."""

from __future__ import annotations

from workers.stepping.ambient import ProcessorOverlay
from workers.stepping.fiber import ComponentCall
from workers.stepping.lanes import lane_of
from workers.stepping.plan import PendingCall, described
from workers.stepping.running import Running


def pending_call(running: Running, call: ComponentCall, call_id: int, overlay: ProcessorOverlay) -> PendingCall:
    """The parked call with all that is known of it, under its request's processors and adapters."""
    assert running.fiber is not None
    ambient, adapters = running.fiber.ambient, running.adapters
    description = described(call)
    return PendingCall(
        call_id=call_id,
        request_id=running.request.request_id,
        fiber=running.fiber,
        call=call,
        lane=lane_of(call.component, call.module, call.method),
        description=description,
        circumstances=(ambient.modes, overlay.key(ambient.processors), *adapters.kind(call.module)),
        adapters=adapters.key(call.module),
        solo="deterministic" if running.request.deterministic else description.opaque,
    )
