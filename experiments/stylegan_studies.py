"""Train the small StyleGAN whose pictures the notebook `experiments/stylegan_studies` shows.

    python experiments/stylegan_studies.py --kimg 10

Its world is `sprites-noisy`, whose random background gives the noise inputs something to draw. It is saved as a model in
results/stylegan_studies/; one that is there is left alone."""
from pathlib import Path
from fastcore.script import call_parse

settings = {'sprites-noisy': dict(patch=1, channel_base=512)} # world -> arguments of the generator

@call_parse
def main(kimg:float=10., # Thousands of images
         seed:int=0,     # Of everything
         only:str='',    # Space-separated worlds; all when empty
         out:str='results/stylegan_studies'): # Folder for the models
    import time,torch
    from semistyle.core import set_seed
    from semistyle.data.open import load_world
    from semistyle.models.checkpoint import save_model
    from semistyle.training.presets import gan_learner,get_preset
    for name in only.split() or settings:
        path = Path(out)/f'{name}-32'
        if path.exists(): continue
        p,world = get_preset('robot-32'),load_world(name, 32)
        more = dict(z_dim=64, w_dim=64, mapping_layers=4, mapping_lr_mul=.1, use_noise=True)
        set_seed(seed)
        learn = gan_learner(world, 'robot-32', seed, kind='stylegan', style_mixing=.9,
                            g_args=p['g_args']|more|settings[name], d_args=p['d_args']|dict(patch=settings[name]['patch']))
        start = time.monotonic()
        learn.fit_kimg(kimg)
        command = f'python experiments/stylegan_studies.py --kimg {kimg:g} --seed {seed}'
        config = dict(world=name, resolution=32, kimg=learn.kimg, seed=seed, seconds=time.monotonic()-start, command=command)
        save_model(path, config, dtype=torch.float16, generator=learn.generator_ema.g_ema)
        print(name, f'{learn.kimg:.1f} kimg in {config["seconds"]:.0f} s', flush=True)
