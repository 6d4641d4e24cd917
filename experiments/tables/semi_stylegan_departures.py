"""What each departure of the small presets from the published settings does: `robot-32`, and one setting at a time put back.

    python experiments/run.py semi_stylegan_departures --seeds 2 --set "kimg=60"

Rows are runs as those of Table 3. The sizes that a published setting has at 512 features are scaled with the network."""
from semi_stylegan_table3 import fits,settings,run_row

_both = lambda **kw: dict(g_args=kw, d_args=kw)
rows = {
    'preset':          dict(),
    # put back
    'noise':           dict(g_args=dict(use_noise=True)),
    'style_mixing':    dict(style_mixing=.9),
    'mapping_8':       dict(g_args=dict(mapping_layers=8, mapping_lr_mul=.01)),
    'embedded_code':   dict(g_args=dict(c_embed=32)),
    'free_codes':      dict(grid_codes=False),
    'published_rates': dict(lr_g=2e-3, lr_d=2e-3, betas=(0.,.99)),
    'r1_10':           dict(r1_gamma=10.),
    'fading_reals':    dict(fade_reals=True),
    'latents_512':     dict(g_args=dict(z_dim=512, w_dim=512)),
    'batch_32':        dict(bs=32, labelled_bs=32),
    'constant_rates':  dict(decay_start=1., final_lr=1.),
    'twice_as_wide':   _both(channel_base=1024, channel_max=256),
    # taken away
    'no_growing':      dict(grow_share=0.),
    'no_blur':         _both(blur=False),
    'tiles_2':         _both(patch=2),
    'forked_readout':  dict(d_args=dict(readout='forked')),
    # terms beside MixUp
    'cutmix':          dict(smoothness='cutmix'),
    'cutout':          dict(smoothness='cutout'),
    # ours
    'labelled_images': dict(image_weight=100.),
}

def target(row, seed, settings): return f"{settings['preset']}/{row}-{seed}.json"
