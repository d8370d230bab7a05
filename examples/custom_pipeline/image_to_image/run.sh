#!/usr/bin/env bash
# Edit a drawn circle with the custom pipeline. Results go to the folder given, or to this one.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
results=${1:-$here}

python - "$results/input.png" <<'END'
import sys
from PIL import Image, ImageDraw

picture = Image.new("RGB", (64, 64), "white")
ImageDraw.Draw(picture).ellipse((20, 20, 44, 44), fill="red")
picture.save(sys.argv[1])
END
python "$here/image_edit.py" \
    --model shapes \
    --image "$results/input.png" \
    --prompt "make it blue" \
    --output "$results/output_image_edit.png" \
    --num_inference_steps 10
