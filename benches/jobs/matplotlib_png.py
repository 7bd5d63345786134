"""Plots a curve with matplotlib; a PNG comes out, in memory."""

import io

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot

figure, axes = pyplot.subplots(figsize=(4, 3))
axes.plot(range(10), [number**2 for number in range(10)], label="squares")
axes.set_title("Squares")
axes.legend()
picture = io.BytesIO()
figure.savefig(picture, format="png", metadata={"Software": None})
print(picture.getvalue()[1:4].decode(), [int.from_bytes(picture.getvalue()[at : at + 4]) for at in (16, 20)])
