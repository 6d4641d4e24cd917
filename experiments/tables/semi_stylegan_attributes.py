"""CelebA's way of working without CelebA: forty binary attributes of drawn heads, taught from few labels, some of them missing (Nie et al. 2020,
section 5.4).

    python experiments/run.py semi_stylegan_attributes --seeds 3

The drawings lie in files that are laid out as CelebA's, and every row is the run that `semistyle_train FOLDER --preset celeba-64` makes of
them, with what the row changes by --set."""
from semi_stylegan_table3 import settings_of,trained_oracle

settings = dict(
    preset='celeba-64', # Settings that every row starts from
    kimg=120.,          # Thousands of images for each row
    heads=40_000,       # Drawings
    n=10_000,           # Other drawings, which only the metrics see
    oracle_kimg=150.)   # Thousands of images for the judge
_more,_small = dict(gamma_g=10., beta=10.),dict(bs=16, labelled_bs=8, lr_g=2e-2, lr_d=8e-3)
rows = {
    'eta_0.5':       dict(eta=.005),              # as the paper has for CelebA: here 200 heads
    'eta_2.5':       dict(eta=.025),              # 1,000 heads, as many as the paper's 0.5 % are
    'eta_2.5_weights_10': dict(eta=.025, **_more), # the paper's weights for its other worlds
    'eta_2.5_small_batches': dict(eta=.025, **_more, **_small), # ... and four times the steps for the same images
    'eta_2.5_label_codes': dict(eta=.025, **_more, **_small, label_codes=True), # codes are drawn as labels have them
    'eta_2.5_known_75': dict(eta=.025, **_more, **_small, missing=.25), # of each head's marks a quarter is not known
}

def fits(name, p):
    "Whether a preset teaches a generator and its encoder from labels"
    return p['kind']=='semi'

def drawn(row, n, seed=0, missing=0.):
    "A folder of heads"
    from semistyle.core import read_json
    from semistyle.data.heads import write_heads
    folder,want = row.folder.parent/f'heads-{n}-{seed}-{missing:g}',dict(n=n, seed=seed, missing=missing)
    if not (folder/'heads.json').exists() or read_json(folder/'heads.json')!=want: write_heads(folder, **want)
    return folder

# In the columns of the picture
turned = 'Eyeglasses','Wearing_Hat','Smiling','Male','Bald','Pale_Skin','Wearing_Necktie'

def turned_heads(g, codes, names):
    "A row for each code: the picture, then with each of some attributes turned over, all else as it was"
    import torch
    from semistyle.core import seeded
    from semistyle.viz import image_grid
    with seeded(0): z = torch.randn(len(codes), g.z_dim)
    flips = torch.stack([torch.zeros(len(names))]+[torch.eye(len(names))[names.index(o)] for o in turned])
    return image_grid([g(z[[i]*len(flips)], (c-flips).abs(), noise_mode='const') for i,c in enumerate(codes)])

def run_row(row):
    "Train one row with one seed, and record it; a picture stands beside it"
    import numpy as np,torch
    from semistyle.data.celeba import open_celeba
    from semistyle.metrics.disentangle import evaluate_generator
    from semistyle.metrics.labels import evaluate_labels,score_labels
    from semistyle.models.checkpoint import load_model
    from semistyle.viz import save_image
    missing,s = row.how.get('missing', 0.),row.settings
    row.how = {k:v for k,v in row.how.items() if k!='missing'}
    p,changes = settings_of(row)
    every,test = [open_celeba(drawn(row, n, seed), p['img_resolution']) for n,seed in ((s['heads'],0),(s['n'],1))]
    model = trained_oracle(row.folder.parent/f"heads-oracle-{s['heads']}-{s['oracle_kimg']:g}", every, s['oracle_kimg'])
    learn = row.train(world=str(drawn(row, s['heads'], missing=missing)), preset=s['preset'], **changes)
    g,d = learn.generator_ema.g_ema,learn.generator_ema.d_ema
    def generate(c): return g(torch.randn(len(c), g.z_dim), c, noise_mode='const')
    (res,table),(true,best) = [evaluate_labels(o, test, s['n'], row.seed) for o in (d.encode,model.oracle)]
    res |= evaluate_generator(generate, model.oracle, test.space, s['n'], row.seed)
    codes = torch.as_tensor(test.codes(np.arange(min(s['n'], len(test))))).float()
    with torch.no_grad(): drawn_as = torch.cat([model.oracle(generate(o)) for o in codes.split(100)])
    _,made = score_labels(drawn_as.double().numpy(), codes.double().numpy(), test.space)
    common = dict(zip(test.space.names, (.5+(codes.mean(0)-.5).abs()).tolist()))
    with torch.no_grad():
        save_image(row.path.with_suffix('.png'), turned_heads(g, torch.as_tensor(test.codes(np.arange(6))).float(),
                                                              test.space.names))
    row.record(seconds=load_model(row.folder/'model').config['seconds'], oracle=true | dict(kimg=model.config['kimg']),
               attributes=table, attributes_true=best, attributes_made=made, common=common,
               rows=[dict(method=row.name, world=f"heads-{p['img_resolution']}", seed=row.seed, eta=(p|changes)['eta'],
                          missing=missing, kimg=round(learn.kimg, 3), **res)])
    return {k:round(v, 3) for k,v in (res | {f'{k}_true':v for k,v in true.items()}).items()}
