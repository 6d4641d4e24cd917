"""How many labels are enough: the share of labelled images from none to all, with two weights of the unsupervised term (Nie et al. 2020,
Figure 2).

    python experiments/run.py semi_stylegan_labels --seeds 3
    python experiments/run.py semi_stylegan_labels --seeds 3 --set "preset=room-32"

Rows are runs as those of Table 3; its row `full` is this one's with gamma = 10, so that what it has need not be computed again: name the rows to
compute. As in the paper, gamma is the weight of the unsupervised term (gamma_g) and of the labels (beta). Rows `gamma_g-1` lower the first alone, which
the paper does not. Without labels it is Info-StyleGAN: the unsupervised term in both phases, with the same weight."""
from semi_stylegan_table3 import fits,settings,run_row

settings = {k:v for k,v in settings.items() if k!='eta'}
etas = 0.,.001,.0025,.005,.01,.025,1.

def _row(eta, gamma):
    return dict(eta=eta, gamma_g=gamma) | (dict(beta=gamma) if eta else dict(beta=0., alpha=0., gamma_e=gamma))

rows = {f'gamma-{gamma:g}-eta-{eta:g}': _row(eta, gamma) for gamma in (1.,10.) for eta in etas}
rows |= {f'gamma_g-1-eta-{eta:g}': _row(eta, 1.) | dict(beta=10.) for eta in etas if eta}
sets = {o: {k:v for k,v in rows.items() if k.startswith(f'{o}-')} for o in ('gamma-10','gamma-1','gamma_g-1')}
sets = dict(all=rows) | sets

def target(row, seed, settings): return f"{settings['preset']}/{row}-{seed}.json"
