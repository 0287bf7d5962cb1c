"""Changes of what runs have written."""

import json


def change_members(folder, **values):
    """Change what the results of a run in a folder say of each member."""
    path = folder / "results.json"
    results = json.loads(path.read_text())
    for member in results["members"]:
        member |= values
    path.write_text(json.dumps(results))
