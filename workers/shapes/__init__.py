"""The demo model `shapes`: a small trained pipeline of stock classes that draws and edits as it is told.

`WEIGHTS` is a diffusers folder like any other. `DEFAULT_PARAMETERS` is what a call of `FluxKontextPipeline` must
be given with it: the class's own defaults stand for pictures of a megapixel. The registry row, the evaluation
and the tests read both.
"""

from __future__ import annotations

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"

DEFAULT_PARAMETERS: dict[str, int | bool] = {
    "height": 64,
    "width": 64,
    # Without it the pipeline turns 64x64 into a picture of 1024x1024.
    "max_area": 64 * 64,
    # Otherwise a reference picture is enlarged to a megapixel.
    "_auto_resize": False,
    "num_inference_steps": 8,
    # The default of 512 gives the same pictures, more slowly.
    "max_sequence_length": 16,
}
