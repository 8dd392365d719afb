"""Feature code: from what is known when a departure is planned to what the classifier sees."""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

CATEGORIES = ["carrier", "origin", "dest"]
WEATHER = ["temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"]
# The columns of a prediction request; `departure` is the scheduled time in UTC, such as 2013-01-01T10:15:00Z.
REQUEST = ["departure", *CATEGORIES, "distance", *WEATHER]


class DepartureTime(TransformerMixin, BaseEstimator):
    """Hour and weekday of the departure as passengers and airports live it: in New York."""

    def fit(self, table, late=None):
        self.feature_names_in_ = np.array(REQUEST, dtype=object)
        return self

    def transform(self, table):
        local = pd.to_datetime(table["departure"], utc=True).dt.tz_convert("America/New_York")
        times = {"hour": local.dt.hour + local.dt.minute / 60, "weekday": local.dt.day_of_week}
        return table[[*CATEGORIES, "distance", *WEATHER]].assign(**times)
