"""Train and measure the rows of StyleGAN's Tables 3 and 4 (Karras et al. 2019) on a rendered world.

    python experiments/run.py stylegan_tables --seeds 2 --set "kimg=20"

All rows have the same number of images, widths and rates; they differ in the generator, its noise, its mixing and its mapping network. The
networks stay in models/ beside the results when keep=1 is set. `spread` says how varied the pictures are: 1 is as varied as the real ones. A generator
that has lost its variety has short paths and constant attributes, and its row says nothing."""

settings = dict(
    world='shapes',    # Rendered world with a shipped oracle
    resolution=32,     # Side of the images
    kimg=20.,          # Thousands of images for each row
    n=2000,            # Pictures, or steps of a path, that each measure is taken over
    keep=0)            # 1 keeps the trained networks as well
mixed = dict(use_noise=True, mixing=.9)
rows = { # Table 3 from the top, then what Table 4 has beside it
    'traditional_0': dict(kind='traditional', depth=0),
    'traditional_8': dict(kind='traditional', depth=8),
    'style':         dict(depth=8),
    'noise':         dict(depth=8, use_noise=True),
    'mixing_50':     dict(depth=8, use_noise=True, mixing=.5),
    'mixing_90':     dict(depth=8, **mixed),
    'depth_0':       dict(depth=0, **mixed),
    'depth_1':       dict(depth=1, **mixed),
    'depth_2':       dict(depth=2, **mixed),
}
common = dict(bs=16, lr_g=1e-2, lr_d=4e-3, betas=(0.,.99), r1_gamma=1., final_lr=.1)
widths = dict(channel_base=512, channel_max=64, blur=False, patch=2)

def make(world, seed, kind='style', depth=8, use_noise=False, mixing=0.):
    "The Learner of a row"
    from semistyle.core import set_seed
    from semistyle.models.variants import TraditionalGenerator
    from semistyle.training.presets import gan_learner,get_preset,preset_networks
    g_args = widths | dict(z_dim=64, w_dim=64, mapping_layers=depth, mapping_lr_mul=.1, use_noise=use_noise)
    p = get_preset(f'robot-{world.resolution}', kind='stylegan', g_args=g_args, d_args=widths, style_mixing=mixing,
                   **common)
    set_seed(seed)
    size = dict(img_resolution=world.resolution, img_channels=world.image_shape[2])
    g = TraditionalGenerator(**size, **g_args) if kind=='traditional' else None
    learn = gan_learner(world, p, seed, networks=g and (g, preset_networks(p, 0, world.image_shape[2])[1]))
    learn.divergence_watch.min_spread = 0. # a traditional generator behind 8 layers begins with nearly one picture, which is no collapse
    return learn

def variety(g, world, n=500):
    "Standard deviation of a pixel over generated pictures, relative to that over real ones"
    import numpy as np,torch
    from semistyle.models.sampling import Sampler
    torch.manual_seed(0)
    real = world.tensor(np.random.default_rng(0).choice(len(world), n, replace=False))
    return float(Sampler(g).images(n).std(0).mean()/real.std(0).mean())

def measure(g, world, oracle, seed, n):
    "Variety, Frechet distance, path lengths, separability in Z and W; all with the features or the attributes of the world's oracle"
    from semistyle.models.features import OracleFeatures,PerceptualDistance,pooled
    from semistyle.metrics.path import perceptual_path_length
    from semistyle.metrics.quality import evaluate_quality
    from semistyle.metrics.separability import separability,oracle_attributes
    from semistyle.models.sampling import Sampler
    features = OracleFeatures(oracle)
    res = dict(spread=variety(g, world)) | evaluate_quality(Sampler(g).images, world, pooled(features), n=n,
                                                            metrics=['fd'], seed=seed)
    distance = PerceptualDistance(features)
    for space in ('z','w'):
        for sampling in ('full','end'):
            res |= perceptual_path_length(g, distance, space, sampling, n=n, seed=seed)
    names = world.space.names
    return res | separability(Sampler(g).latents, oracle_attributes(oracle), names, n=n, seed=seed, progress=False)

def run_row(row):
    "Train one row with one seed, and record it"
    import time
    from semistyle.data.open import load_world
    from semistyle.models.checkpoint import load_model,save_model
    s = row.settings
    world = load_world(s['world'], s['resolution'])
    name = f'{world.name}-{world.resolution}'
    oracle = load_model(f'{world.name}-oracle-{world.resolution}').oracle
    start,learn = time.monotonic(),make(world, row.seed, **row.how)
    learn.fit_kimg(s['kimg'])
    seconds,ema = time.monotonic()-start,learn.generator_ema
    if s['keep']:
        save_model(row.path.parent/'models'/row.path.stem, s | dict(seed=row.seed), generator=ema.g_ema,
                   discriminator=ema.d_ema)
    numbers = {k:v for k,v in measure(ema.g_ema, world, oracle, row.seed, s['n']).items() if isinstance(v, float)}
    row.record(seconds=seconds, rows=[dict(method=row.name, world=name, seed=row.seed, kimg=round(learn.kimg, 3),
                                           n=s['n']) | numbers])
    return {k:round(v, 3) for k,v in numbers.items()}
