"""Will this flight arrive more than 15 minutes late?  python model.py --build ; python model.py --test ; python model.py --deploy"""

import argparse
from pathlib import Path

import pandas as pd
from features import CATEGORIES, REQUEST, DepartureTime
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from modelyard import Workspace
from modelyard.deployments import deploy

NAME = "flights-delay"
BUILT = Path("build/version.txt")


def read(dataset):
    """The flights of a snapshot; every fifth day is kept for the test."""
    table = pd.concat([pd.read_csv(path) for path in sorted(dataset.path().glob("*.csv"))], ignore_index=True)
    held_out = table["departure"].str[:10].rank(method="dense") % 5 == 0
    return table[~held_out], table[held_out]


def build(workspace):
    dataset = workspace.dataset("flights")
    table, _ = read(dataset)
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    model = make_pipeline(
        DepartureTime(),
        make_column_transformer((encode, CATEGORIES), remainder="passthrough"),
        HistGradientBoostingClassifier(max_iter=150, categorical_features=[0, 1, 2], random_state=0),
    ).fit(table, table["late"])
    version = workspace.save(
        NAME,
        model,
        datasets=[dataset],
        reference_data=table[REQUEST],
        time_column="departure",
        tags={"months": f"{dataset.files[0][:7]}..{dataset.files[-1][:7]}"},
        description="Gradient boosting of 150 trees: late by more than 15 minutes?",
    )
    BUILT.parent.mkdir(exist_ok=True)
    BUILT.write_text(version.reference)
    print(f"built {version.reference} from {dataset.reference}: {len(table):,} flights")


def test(workspace):
    version = workspace.model(BUILT.read_text())
    ((_, dataset),) = version.inputs
    _, table = read(workspace.dataset(dataset))
    late = version.load().predict_proba(table)[:, 1]
    version.log_metrics({"auc": roc_auc_score(table["late"], late), "log_loss": log_loss(table["late"], late)})
    print(
        f"tested {version.reference} on {len(table):,} flights of days it has not seen: auc {version.metrics['auc']:.3f}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    stage = parser.add_mutually_exclusive_group(required=True)
    stage.add_argument("--build", action="store_true", help="fit on the newest snapshot and register the version")
    stage.add_argument("--test", action="store_true", help="measure the version that was built")
    stage.add_argument("--deploy", action="store_true", help="roll the version out, through its gates")
    asked = parser.parse_args()
    if asked.build:
        build(Workspace())
    elif asked.test:
        test(Workspace())
    else:
        print(deploy(Workspace(), BUILT.read_text(), wait=False))
