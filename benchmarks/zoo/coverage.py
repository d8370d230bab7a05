"""Which pipeline classes of the installed diffusers the zoo covers, and why the others are left out."""

from __future__ import annotations

from typing import Any

from benchmarks.zoo.case import cases

# Reasons by class name; a class in neither table nor cases is printed as "no case written".
NOT_COVERED: dict[str, str] = {
    "AudioLDM2Pipeline": "not attempted: five encoders, one of them a language model run token by token",
    "BlipDiffusionControlNetPipeline": "not attempted: a Q-Former with its own picture processor",
    "BlipDiffusionPipeline": "not attempted: a Q-Former with its own picture processor",
    "BriaFibo2Pipeline": "not attempted: renders text with fonts and takes hundreds of text tokens",
    "Cosmos2_5_TransferPipeline": "not attempted: a control network of its own",
    "Cosmos3OmniPipeline": "not attempted: a packed mixture of language, picture and sound",
    "DiffusionGemmaPipeline": "makes text, not pictures or sound",
    "DreamLiteMobilePipeline": "not attempted: a U-Net with blocks of its own",
    "DreamLitePipeline": "not attempted: a U-Net with blocks of its own",
    "EasyAnimateControlPipeline": "fails upstream: calls encode_prompt with an argument that it does not take",
    "EasyAnimateInpaintPipeline": "fails upstream: reads a configuration entry that its autoencoder lacks",
    "GlmImagePipeline": "not attempted: generates its prior token by token with a vision language model",
    "HeliosPyramidPipeline": "not attempted: counts steps per stage of a pyramid, not per call",
    "Ideogram4Pipeline": "taps fixed layers of a 36-layer encoder, a small encoder raises KeyError",
    "JoyImageEditPipeline": "works only in picture sizes near 1024x1024: twelve seconds a call",
    "JoyImageEditPlusPipeline": "works only in picture sizes near 1024x1024",
    "Kandinsky6SRPipeline": "not attempted: an autoencoder and a transformer of its own",
    "Kandinsky6TI2VAPipeline": "not attempted: a sound autoencoder and a vocoder of its own",
    "LLaDA2Pipeline": "makes text, not pictures or sound",
    "LTX2DFRPipeline": "not attempted: chains LTX-2 stages that are covered one by one",
    "LTX2DFRTemporalRefinePipeline": "not attempted: chains LTX-2 stages that are covered one by one",
    "LTX2VideoDiffusionDecodePipeline": "not attempted: a diffusion decoder of its own",
    "MotifVideoImage2VideoPipeline": "not attempted: needs the vision tower of T5Gemma2",
    "MusicLDMPipeline": "fails with transformers 5: expects a tensor from get_text_features",
    "OmniGenPipeline": "needs torchvision",
    "RFD4ProteinaPipeline": "makes proteins",
    "SanaWMPipeline": "not attempted: takes camera paths and a fixed picture size",
    "StableDiffusionDiffEditPipeline": "takes one inverted latent per step, so its steps cannot be chosen",
    "StableDiffusionPix2PixZeroPipeline": "not attempted: takes edit directions made beforehand",
    "UniDiffuserPipeline": "not attempted: a joint model and a text decoder of its own",
    "VersatileDiffusionDualGuidedPipeline": "not attempted: swaps attention blocks between two U-Nets",
    "VersatileDiffusionPipeline": "builds other pipelines inside its call",
    "VersatileDiffusionTextToImagePipeline": "not attempted: swaps attention blocks between two U-Nets",
    "WanAnimatePipeline": "not attempted: a motion encoder for 512x512 faces",
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
