"""What else could be made of the same few labels: conditional GANs, a semi-supervised VAE and one that knows groups, measured as Semi-StyleGAN is.

    python experiments/run.py semi_stylegan_relatives --seeds 3
    python experiments/run.py semi_stylegan_relatives --seeds 3 --set "eta=.001"

All rows have the same labels and see the same number of images; the GANs have the networks of the preset. `semi` is row `full` of Table 3."""
from semi_stylegan_table3 import fits,judge,measure,settings as table3

settings = table3 | dict(vae_width=64, vae_lr=1e-3)
rows = {
    'semi':       dict(),
    'acgan':      dict(gamma_g=1., gamma_e=1., beta=1., alpha=0.),
    'projection': dict(kind='projection'),
    'semi_vae':   dict(vae='labels'),
    'ml_vae':     dict(vae='groups'),
}

def target(row, seed, settings): return f"{settings['preset']}/eta-{settings['eta']:g}/{row}-{seed}.json"

def generator_alone(g, world, oracle, seed, n):
    "Measures of a generator whose discriminator reads nothing"
    import torch
    from semistyle.metrics.control import control_between
    from semistyle.metrics.disentangle import evaluate_generator,render_ratio
    def generate(c): return g(torch.randn(len(c), g.z_dim), c, noise_mode='const')
    res = {} if oracle is None else evaluate_generator(generate, oracle, world.space, n, seed)
    return res | dict(render_ratio=render_ratio(generate, world, seed=seed)) | control_between(generate, world, oracle, n//10, seed)

def run_gan(row, world, oracle):
    "A run of the preset, or of its relative with a projection discriminator"
    s,how = row.settings,dict(row.how)
    preset = f"projection-{s['preset']}" if how.pop('kind', None) else s['preset']
    learn = row.train(world=world.name, preset=preset, kimg=s['kimg'], eta=s['eta'], **how)
    if preset!=s['preset']: return learn,generator_alone(learn.generator_ema.g_ema, world, oracle, row.seed, s['n'])
    return learn,measure(learn, world, oracle, row.seed, s['n'])

def run_vae(row, world, oracle):
    "A VAE that is told the labels of as many images, or which of them have one in common"
    import torch
    from semistyle.data.loaders import FactorLoader,split_labels
    from semistyle.discover.distill import GroupCodes,GroupedDimensions,LabelledDimensions,draw_labels,read_labels
    from semistyle.metrics.control import control_between
    from semistyle.metrics.disentangle import evaluate_encoder,evaluate_generator,render_ratio
    s,k = row.settings,world.space.n_factors
    few = FactorLoader(world, split_labels(world, s['eta'], row.seed), bs=64, labelled_bs=32, seed=row.seed)
    term = (LabelledDimensions if row.how['vae']=='labels' else GroupedDimensions)(few)
    res = row.train_vae(FactorLoader(world, bs=64, seed=row.seed), z_dim=k+8, width=s['vae_width'], lr=s['vae_lr'],
                        kimg=s['kimg'], terms=[term])
    if row.how['vae']=='groups':
        known = few.split.labelled[:2000]
        with torch.no_grad(): codes = GroupCodes(res.vae, world.tensor(known), torch.as_tensor(world.codes(known)))
    encode = (lambda x: read_labels(res.vae, x, k)) if row.how['vae']=='labels' else codes.read
    @torch.no_grad()
    def generate(c): return draw_labels(res.vae, c) if row.how['vae']=='labels' else codes.draw(c)
    got = evaluate_encoder(encode, world, s['n'], row.seed) | dict(render_ratio=render_ratio(generate, world, seed=row.seed))
    if oracle is not None: got |= evaluate_generator(generate, oracle, world.space, s['n'], row.seed)
    return res.learn,got | control_between(generate, world, oracle, s['n']//10, row.seed)

def run_row(row):
    "Train one row with one seed, measure and record it"
    import time
    s,start = row.settings,time.monotonic()
    world,oracle = judge(s['preset'])
    learn,res = (run_vae if row.how.get('vae') else run_gan)(row, world, oracle)
    row.record(seconds=row.before+time.monotonic()-start,
               rows=[dict(method=row.name, world=f'{world.name}-{world.resolution}', seed=row.seed, eta=s['eta'],
                          kimg=round(learn.kimg, 3), **res)])
    return {k:round(v, 3) for k,v in res.items()}
