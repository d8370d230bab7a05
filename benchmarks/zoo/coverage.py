"""Which pipeline classes of the installed diffusers the zoo covers, and why the others are left out."""

from __future__ import annotations

from typing import Any

from benchmarks.zoo.case import cases

# Reasons by class name; a class in neither table nor cases is printed as "no case written".
NOT_COVERED: dict[str, str] = {
    "AnyFlowFARPipeline": "keeps a key and value cache across frames; needs its own transformer rows",
    "AudioLDM2Pipeline": "runs a language model token by token with an interface that transformers 5 dropped",
    "BlipDiffusionControlNetPipeline": "its Q-Former reads classes that transformers 5 dropped",
    "BlipDiffusionPipeline": "its Q-Former reads classes that transformers 5 dropped",
    "BriaFibo2Pipeline": "renders text with fonts and takes thousands of text tokens",
    "Cosmos2_5_TransferPipeline": "needs torchvision",
    "Cosmos3OmniPipeline": "a packed mixture of language, picture and sound; too large to shrink cheaply",
    "DiffusionGemmaPipeline": "makes text, not pictures or sound",
    "DreamLiteMobilePipeline": "its U-Net has no small configuration that fits together",
    "DreamLitePipeline": "its U-Net has no small configuration that fits together",
    "EasyAnimateControlPipeline": "calls encode_prompt with an argument that it does not take",
    "EasyAnimateInpaintPipeline": "reads a configuration entry that its autoencoder does not have",
    "GlmImagePipeline": "generates its prior token by token with a vision language model",
    "HeliosPyramidPipeline": "counts steps per stage of a pyramid, not per call",
    "Ideogram4Pipeline": "taps fixed layers of a 36-layer encoder",
    "JoyImageEditPipeline": "works only in picture sizes near 1024x1024: twelve seconds a call",
    "JoyImageEditPlusPipeline": "works only in picture sizes near 1024x1024",
    "Kandinsky6SRPipeline": "needs its own autoencoder rows",
    "Kandinsky6TI2VAPipeline": "needs a video, a sound autoencoder and a vocoder of its own",
    "LLaDA2Pipeline": "makes text, not pictures or sound",
    "LTX2DFRPipeline": "chains several LTX-2 stages that are covered one by one",
    "LTX2DFRTemporalRefinePipeline": "chains several LTX-2 stages that are covered one by one",
    "LTX2HDRPipeline": "an LTX-2 variant with the same transformer",
    "LTX2VideoDiffusionDecodePipeline": "a diffusion decoder that needs its own rows",
    "MotifVideoImage2VideoPipeline": "needs the vision tower of T5Gemma2",
    "MusicLDMPipeline": "fails with transformers 5: expects a tensor from get_text_features",
    "OmniGenPipeline": "needs torchvision",
    "RFD4ProteinaPipeline": "makes proteins",
    "SanaWMPipeline": "takes camera paths and a fixed picture size",
    "StableAudio3AudioToAudioPipeline": "no small configuration of its autoencoder was found",
    "StableAudio3InpaintPipeline": "no small configuration of its autoencoder was found",
    "StableDiffusionDiffEditPipeline": "takes one inverted latent per step, so its steps cannot be chosen",
    "StableDiffusionPix2PixZeroPipeline": "takes gradients through the U-Net and edit directions made beforehand",
    "UniDiffuserPipeline": "its joint model has no small configuration that fits together",
    "VersatileDiffusionDualGuidedPipeline": "replaces blocks inside its U-Nets when it is built",
    "VersatileDiffusionImageVariationPipeline": "replaces blocks inside its U-Nets when it is built",
    "VersatileDiffusionPipeline": "builds other pipelines inside its call",
    "VersatileDiffusionTextToImagePipeline": "replaces blocks inside its U-Nets when it is built",
    "WanAnimatePipeline": "its motion encoder works on 512x512 faces only",
}


def pipeline_classes() -> list[str]:
    """Names of all concrete pipeline classes that diffusers exports and can import here."""
    import diffusers

    names = sorted(name for name in dir(diffusers) if name.endswith("Pipeline"))
    return [name for name in names if _is_concrete(getattr(diffusers, name))]


def _is_concrete(found: Any) -> bool:
    import diffusers

    if not (isinstance(found, type) and issubclass(found, diffusers.DiffusionPipeline)):
        return False
    return found is not diffusers.DiffusionPipeline and ".modular_pipelines" not in found.__module__


def print_coverage() -> None:
    by_class: dict[str, list[str]] = {}
    for case in cases():
        by_class.setdefault(case.pipeline_class, []).append(case.name)
    known = pipeline_classes()
    print(f"covered: {len(by_class)} of {len(known)} pipeline classes, {len(cases())} cases")
    for name in sorted(by_class):
        print(f"  {name:<48} {', '.join(by_class[name])}")
    missing = [name for name in known if name not in by_class]
    print(f"not covered: {len(missing)}")
    for name in missing:
        print(f"  {name:<48} {NOT_COVERED.get(name, 'no case written')}")
