"""The sample: loads of three source and three downstream systems of any size, and what is true of them.

Every hard case of both jobs is in it. Knows the landing contract, and nothing of what memsync does with loads.
"""

from memsync_assets.sample.generator import Sample, Truth, generate

__all__ = ["Sample", "Truth", "generate"]
