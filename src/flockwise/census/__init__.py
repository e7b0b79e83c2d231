"""From a published release and a census to weights: how many people a device of an area stands for, and where the panel covers too few. No data, no charge."""

from flockwise.census.night import Night, device_nights, nights
from flockwise.census.people import Census, read_census
from flockwise.census.weighing import Weighing, weigh
from flockwise.census.writing import side_file, source_of, table, told

__all__ = ["Census", "Night", "Weighing", "device_nights", "nights", "read_census", "side_file", "source_of", "table", "told", "weigh"]
