"""A pytest plug-in: that a property fails is enough to know; its smallest counterexample takes many times longer."""

from hypothesis import Phase, settings

settings.register_profile("unshrunk", phases=[Phase.explicit, Phase.generate], report_multiple_bugs=False)
settings.load_profile("unshrunk")
