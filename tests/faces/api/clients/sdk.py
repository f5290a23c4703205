"""What Clarifai's SDK has to predict with: ``python sdk.py ADDRESS FOLDER``, with the model "reds" on the device.

Prints what it saw as one JSON document.
"""

import json
import sys
from pathlib import Path

from clarifai.client.model import Model

address, folder = sys.argv[1:]
model = Model(user_id="someone", app_id="garden", model_id="reds", base_url=address)


def predict(name, **options):
    """Concepts and their values for one picture."""
    answer = model.predict_by_bytes(Path(folder, name).read_bytes(), input_type="image", **options)
    return {one.name: one.value for one in answer.outputs[0].data.concepts}


few = list(predict("red-9.png", output_config={"max_concepts": 1, "min_value": 0.5}))
print(json.dumps({"red": predict("red-9.png"), "green": predict("green-9.png"), "few": few}))
