"""Thresholds a small picture with scikit-image."""

import numpy
import skimage

picture = numpy.add.outer(numpy.arange(16), numpy.arange(16)) ** 2
limit = skimage.filters.threshold_otsu(picture)
print(skimage.measure.label(picture > limit).max(), int((picture > limit).sum()))
