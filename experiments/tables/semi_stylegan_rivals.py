"""Info-StyleGAN beside VAEs and InfoGAN-CR, without any label (Nie et al. 2020, Table 1), and Semi-StyleGAN with a few.

    python experiments/run.py semi_stylegan_rivals --seeds 3
    python experiments/run.py semi_stylegan_rivals --seeds 3 --set "world=sprites"
    python experiments/run.py semi_stylegan_rivals --seeds 3 --rows other

All rows see the same number of images of one world; a row also notes its minutes and parameters. The codes that each reads in the same few
pictures are kept, so that runs with different seeds can be compared."""
import time

settings = dict(
    world='robot',   # Rendered world
    resolution=32,   # Of its images
    kimg=90.,        # Thousands of images for each row
    eta=.005,        # Share of labelled images, of the row that has labels
    width=32,        # Channels of the VAEs
    n=10_000,        # Images that the metrics are taken over
    n_quality=5000,  # ... and the Frechet distance
    kept=300)        # Images whose codes are kept
sets = dict(
    published={ # VAEs with the weight that their papers have for dSprites, GANs with their presets'
        'beta_vae':      dict(method='beta-vae'),
        'factor_vae':    dict(method='factor-vae'),
        'beta_tcvae':    dict(method='beta-tcvae'),
        'infogan_cr':    dict(preset='infogan-cr-'),
        'info_stylegan': dict(preset='info-'),
        'semi_stylegan': dict(preset='')},
    other={ # Each with a second weight, so that none is judged by one alone
        'beta_vae_16':      dict(method='beta-vae', weight=16.),
        'factor_vae_10':    dict(method='factor-vae', weight=10.),
        'beta_tcvae_15':    dict(method='beta-tcvae', weight=15.),
        'infogan_cr_10':    dict(preset='infogan-cr-', gamma=10.),
        'info_stylegan_10': dict(preset='info-', gamma=10.)})
rows = {k:v for o in sets.values() for k,v in o.items()}

def target(row, seed, settings): return f"{settings['world']}-{settings['resolution']}/{row}-{seed}.json"

def run_vae(row, world):
    "A VAE's encoder, a function that draws, and its networks"
    import torch
    from semistyle.data.loaders import FactorLoader
    from semistyle.discover.distill import vae_method
    s = row.settings
    how = vae_method(row.how['method'], row.how.get('weight'))
    res = row.train_vae(FactorLoader(world, bs=64, seed=row.seed), kimg=s['kimg'], width=s['width'], **how)
    @torch.no_grad()
    def draw(n): return res.vae.decode(torch.randn(n, res.vae.z_dim))
    return res.learn,res.encode,draw,[res.vae]

def run_gan(row, world):
    "A GAN's encoder, a function that draws, and its networks"
    from semistyle.models.sampling import Sampler
    s,how = row.settings,{} if row.how['preset'] else dict(eta=row.settings['eta'])
    if 'gamma' in row.how: how = dict(gamma_g=row.how['gamma'], gamma_e=row.how['gamma'])
    learn = row.train(world=world.name, preset=f"{row.how['preset']}{world.name}-{world.resolution}", kimg=s['kimg'],
                      **how)
    g,d = learn.generator_ema.g_ema,learn.generator_ema.d_ema
    return learn,d.encode,Sampler(g, learn.sample_codes or 'uniform').images,[g,d]

def run_row(row):
    "Train one row with one seed, measure and record it"
    import numpy as np,torch
    from semistyle.data.open import load_world
    from semistyle.discover.distill import score_encoder
    from semistyle.metrics.quality import evaluate_quality
    from semistyle.models.imagenet import EfficientNetLite0
    s,start = row.settings,time.monotonic()
    world = load_world(s['world'], s['resolution'])
    learn,encode,draw,nets = (run_gan if 'preset' in row.how else run_vae)(row, world)
    spent = row.before+time.monotonic()-start
    res = score_encoder(encode, world, ('factor_vae','mig'), s['n'], [row.seed])
    quality = evaluate_quality(draw, world, EfficientNetLite0(('1/8','1/16'), size=64), s['n_quality'], 'fd',
                               seed=row.seed)
    res |= {k:v for k,v in quality.items() if k!='protocol'}
    idx = np.random.default_rng(0).permutation(len(world))[:s['kept']]
    with torch.no_grad(): codes = encode(world.tensor(idx)).float().cpu()
    row.record(seconds=spent, protocol=quality['protocol'], codes=[[round(v, 3) for v in o] for o in codes.tolist()],
               rows=[dict(method=row.name, world=f'{world.name}-{world.resolution}', seed=row.seed,
                          kimg=round(learn.kimg, 3),
                          parameters=sum(o.numel() for net in nets for o in net.parameters()), **res)])
    return {k:round(v, 3) for k,v in res.items()}
