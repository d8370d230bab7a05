"""Rows of vector-quantising autoencoders."""

from typing import Any

ROWS: dict[str, dict[str, Any]] = {
    "VQModel": {
        "in_channels": 3,
        "out_channels": 3,
        "block_out_channels": (8, 16),
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "up_block_types": ("UpDecoderBlock2D",) * 2,
        "latent_channels": 3,
        "norm_num_groups": 4,
    },
    "VQModel/movq": {
        "block_out_channels": (32, 64),
        "down_block_types": ("DownEncoderBlock2D", "AttnDownEncoderBlock2D"),
        "up_block_types": ("AttnUpDecoderBlock2D", "UpDecoderBlock2D"),
        "latent_channels": 4,
        "norm_num_groups": 8,
        "norm_type": "spatial",
        "num_vq_embeddings": 12,
        "vq_embed_dim": 4,
    },
    "VQModel/movq-eight": {
        "block_out_channels": (32, 32, 32, 32),
        "down_block_types": ("DownEncoderBlock2D",) * 3 + ("AttnDownEncoderBlock2D",),
        "up_block_types": ("AttnUpDecoderBlock2D",) + ("UpDecoderBlock2D",) * 3,
        "latent_channels": 4,
        "norm_num_groups": 8,
        "norm_type": "spatial",
        "num_vq_embeddings": 12,
        "vq_embed_dim": 4,
    },
    "VQModel/amused": {
        "block_out_channels": (8,),
        "latent_channels": 8,
        "norm_num_groups": 8,
        "num_vq_embeddings": 8,
        "sample_size": 8,
        "mid_block_add_attention": False,
        "lookup_from_codebook": True,
    },
    "VQModel/discrete": {
        "block_out_channels": (8, 16),
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "up_block_types": ("UpDecoderBlock2D",) * 2,
        "latent_channels": 3,
        "norm_num_groups": 4,
        "num_vq_embeddings": 12,
        "vq_embed_dim": 3,
    },
    "diffusers.pipelines.deprecated.wuerstchen.PaellaVQModel": {
        "bottleneck_blocks": 1,
        "num_vq_embeddings": 2,
        "embed_dim": 16,
    },
}
