"""Train the small StyleGAN whose pictures the notebook `experiments/stylegan_studies` shows.

    python experiments/run.py stylegan_studies --seeds 1 --set "kimg=10"

Its world is `sprites-noisy`, whose random background gives the noise inputs something to draw. It is saved as a model."""
settings = dict(kimg=10.) # Thousands of images
rows = {'sprites-noisy': dict(patch=1, channel_base=512)} # World -> arguments of the generator

def target(row, seed, settings): return f'{row}-32' + (f'-{seed}' if seed else '')

def run_row(row):
    "Train on one world, and save the generator"
    import time,torch
    from semistyle.core import set_seed
    from semistyle.data.open import load_world
    from semistyle.models.checkpoint import save_model
    from semistyle.training.presets import gan_learner,get_preset
    p,world = get_preset('robot-32'),load_world(row.name, 32)
    more = dict(z_dim=64, w_dim=64, mapping_layers=4, mapping_lr_mul=.1, use_noise=True)
    set_seed(row.seed)
    learn = gan_learner(world, 'robot-32', row.seed, kind='stylegan', style_mixing=.9,
                        g_args=p['g_args']|more|row.how, d_args=p['d_args']|dict(patch=row.how['patch']))
    start = time.monotonic()
    row.fit(learn, row.settings['kimg'])
    config = dict(world=row.name, resolution=32, kimg=learn.kimg, seed=row.seed,
                  seconds=row.before+time.monotonic()-start, **row.about())
    save_model(row.path, config, dtype=torch.float16, generator=learn.generator_ema.g_ema)
    return f'{learn.kimg:.1f} kimg in {config["seconds"]:.0f} s'
