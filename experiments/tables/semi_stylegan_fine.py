"""Teach generators to turn given pictures, and ask how well they do on pictures of things that they have never seen (Nie et al. 2020, appendix D).

    python experiments/run.py semi_stylegan_fine --seeds 3
    python experiments/run.py semi_stylegan_fine --seeds 1 --rows projection

A row is a run of the preset, but `projection`: that one projects the unseen pictures into W+ of a generator that makes pictures from nothing,
the shipped robot-64, turns the factors there, and is compared at the same resolution. All measure the same pictures of three worlds:
the one that was trained on, `<world>-novel`, and `<world>-novel-color`, whose colours have no meaning to an encoder: there its L2 is left out."""

settings = dict(
    preset='fine-robot-32', # Settings that every row starts from
    kimg=40.,               # Thousands of images for each row
    n=400,                  # Pictures that are turned, for each factor
    projected=16,           # ... of the row that projects them, for all factors
    steps=300)              # Of a projection
rows = {
    'fine':            dict(),
    'no_same_picture': dict(same_weight=0.),
    'ten_times_labels': dict(eta=.1),
    'cut_lower':       dict(g_args=dict(fine_resolution=8), d_args=dict(fine_resolution=8)),
    'no_smoothness':   dict(alpha=0.),
    'projection':      dict(project=True),
}

def target(row, seed, settings): return f"{settings['preset']}/{row}-{seed}.json"

def fits(name, p):
    "Whether a preset teaches a generator that turns pictures of a world that has a novel one"
    from semistyle.data.open import is_world
    return p['kind']=='fine' and is_world(f"{name.split('-')[1]}-novel")

def worlds_of(preset):
    "The worlds whose pictures are turned"
    from semistyle.data.open import load_world
    _,name,size = preset.split('-')
    return {k:load_world(k, int(size)) for k in (name, f'{name}-novel', f'{name}-novel-color')}

def turner(g, encode, space):
    "Pictures, a factor's name and its values -> pictures, by a generator that turns them"
    import torch
    z = torch.randn(1, g.z_dim, generator=torch.Generator().manual_seed(0))
    def turn(x, name, v):
        c = encode(x).clamp(0, 1)
        if name: c[:,space.factor(name)] = v
        return g(z.expand(len(x), -1), c, noise_mode='const', x=x)
    return turn

def projector(model, size, steps, seed):
    "The same by projecting pictures into W+ and moving their styles; pictures are enlarged to the generator's size, and made small again"
    import torch
    import torch.nn.functional as F
    from semistyle.discover.edits import code_styles
    from semistyle.discover.invert import draw,model_projector
    p,g,known = model_projector(model),model.generator,{}
    def project(x):
        key = x.numpy().tobytes()
        if key not in known:
            big = F.interpolate(x, g.img_resolution, mode='bilinear', antialias=True)
            with torch.enable_grad(): pr = p.project(big, steps=steps, seed=seed, progress=False)
            known[key] = pr,p.encode(pr.x).clamp(0, 1)
        return known[key]
    def turn(x, name, v):
        pr,c = project(x)
        ws = pr.ws
        if name:
            to = c.clone(); to[:,model.space.factor(name)] = v
            ws = ws+(code_styles(g, to)-code_styles(g, c))
        return F.adaptive_avg_pool2d(draw(g, ws, pr.noise), size)
    return turn

def measure(turn, encode, worlds, names, n, seed):
    "A row for each world: the ratio of each factor, their mean, what an edit that changes nothing keeps, and the encoder's L2"
    import numpy as np,torch
    from semistyle.metrics.control import turn_ratios
    res = []
    for k,w in worlds.items():
        ratios = turn_ratios(turn, w, names, n, seed, bs=n)
        kept = ratios.pop('kept')
        row = dict(pictures=k, turn_ratio=float(np.mean([*ratios.values()])),
                   kept=kept) | {f'turn_{o}':v for o,v in ratios.items()}
        if encode is not None and not hasattr(w, 'turned'):
            idx = np.random.default_rng(seed).integers(len(w), size=10*n)
            c = torch.from_numpy(w.codes(idx)[:,[w.space.factor(o) for o in names]])
            with torch.no_grad(): row['l2'] = float((encode(w.tensor(idx))-c).norm(dim=1).mean())
        res.append(row)
    return res

def run_row(row):
    "Train one row with one seed, or project; measure, and record it"
    import time
    from semistyle.models.checkpoint import load_model
    from semistyle.training.presets import get_preset
    s = row.settings
    p,worlds = get_preset(s['preset']),worlds_of(s['preset'])
    names,size = p['factors'].split(','),p['img_resolution']
    start = time.monotonic()
    if row.how.get('project'):
        model = load_model(f"{s['preset'].split('-')[1]}-64")
        res,n,more = measure(projector(model, size, s['steps'], row.seed), None, worlds, names, s['projected'],
                             row.seed),s['projected'],{}
        seconds = time.monotonic()-start
    else:
        how = {k:p[k]|v if isinstance(v, dict) else v for k,v in row.how.items()}
        learn = row.train(world=s['preset'].split('-')[1], preset=s['preset'], **dict(kimg=s['kimg']) | how)
        g,d = learn.generator_ema.g_ema,learn.generator_ema.d_ema
        res,n = measure(turner(g, d.encode, learn.world.space), d.encode, worlds, names, s['n'], row.seed),s['n']
        seconds,more = load_model(row.folder/'model').config['seconds'],dict(kimg=round(learn.kimg, 3), eta=(p|how)['eta'])
    row.record(seconds=seconds, rows=[dict(method=row.name, seed=row.seed, turned=n) | more | o for o in res])
    return {o['pictures']:(round(o['turn_ratio'], 3), round(o['kept'], 3)) for o in res}
