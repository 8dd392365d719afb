"""One module a protocol: decodes to a ``PredictionRequest``, encodes a ``Prediction``. Pure; the app does the I/O."""
