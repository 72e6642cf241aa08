"""`adarena rank scaling`: the loss of behaviour models over compute, data and parameters, beside a floor that is known."""
