"""Train and measure the rows of Semi-StyleGAN's ablation (Nie et al. 2020, Table 3) on a rendered world.

    python experiments/run.py semi_stylegan_table3 --seeds 3
    python experiments/run.py semi_stylegan_table3 --seeds 3 --set "eta=.001"
    python experiments/run.py semi_stylegan_table3 --seeds 3 --set "preset=room-32"

Every row is a run and has the paper's loss with gamma = 10 and the same number of images; the last one adds our term that shows the
generator the labelled images."""

settings = dict(
    preset='robot-32', # Settings that every row starts from
    eta=.005,          # Share of images with labels
    kimg=90.,          # Thousands of images for each row
    n=10_000)          # Images that the metrics are taken over
rows = {
    'encoder_only':       dict(gan_weight=0., gamma_g=0., alpha=0.),
    'encoder_only_mixup': dict(gan_weight=0., gamma_g=0.),
    'full':               dict(),
    'no_smoothness':      dict(alpha=0.),
    'unsup_in_e':         dict(gamma_e=10.),
    'no_unsup_in_g':      dict(gamma_g=0.),
    'labelled_images':    dict(image_weight=100.),
}

def fits(name, p):
    "Whether a preset teaches a generator and its encoder all factors of a rendered world"
    from semistyle.data.open import is_world
    return p['kind']=='semi' and is_world(name.rpartition('-')[0])

def target(row, seed, settings): return f"{settings['preset']}/eta-{settings['eta']:g}/{row}-{seed}.json"

def measure(learn, world, oracle, seed, n):
    "Encoder and generator metrics of the averaged networks, on the grid of values and between them"
    import torch
    from semistyle.metrics.control import control_between
    from semistyle.metrics.disentangle import evaluate_encoder,evaluate_generator,render_ratio
    g,d = learn.generator_ema.g_ema,learn.generator_ema.d_ema
    res = evaluate_encoder(d.encode, world, n, seed)
    if oracle is None: return res
    def generate(c): return g(torch.randn(len(c), g.z_dim), c, noise_mode='const')
    return (res | evaluate_generator(generate, oracle, world.space, n,
                                     seed) | dict(render_ratio=render_ratio(generate, world, seed=seed))
            | control_between(generate, world, oracle, n//10, seed))

def judge(preset):
    "The world of a preset, and the oracle that judges its pictures"
    from semistyle.data.open import load_world
    from semistyle.models.oracle import find_oracle
    name,_,size = preset.rpartition('-')
    world = load_world(name, int(size))
    return world,find_oracle(world)

def trained_oracle(at, world, kimg):
    "An oracle that has seen all labels, as a saved model: the one in that folder, or a new one"
    from semistyle.models.checkpoint import load_model,save_model
    from semistyle.models.oracle import train_oracle
    if not at.exists():
        net = train_oracle(world, kimg=kimg, progress=False)
        save_model(at, dict(net.record) | dict(space=world.space), oracle=net)
    return load_model(at)

def settings_of(row):
    "The preset that a row starts from, and what it changes of it; settings of networks are added to the preset's"
    from semistyle.training.presets import get_preset
    s = row.settings
    p = get_preset(s['preset'])
    given = {k:s[k] for k in ('kimg','eta') if k in s}
    return p,given | {k:p[k]|v if isinstance(v, dict) else v for k,v in row.how.items()}

def run_row(row):
    "Train one row with one seed, and record it"
    from semistyle.models.checkpoint import load_model
    s = row.settings
    p,changes = settings_of(row)
    world,oracle = judge(s['preset'])
    if not (p|changes)['gan_weight']: oracle = None # an encoder alone needs no judge
    learn = row.train(world=world.name, preset=s['preset'], **changes)
    res = measure(learn, world, oracle, row.seed, s['n'])
    row.record(seconds=load_model(row.folder/'model').config['seconds'],
               rows=[dict(method=row.name, world=f'{world.name}-{world.resolution}', seed=row.seed,
                          eta=(p|changes)['eta'], kimg=round(learn.kimg, 3), **res)])
    return {k:round(v, 3) for k,v in res.items()}
