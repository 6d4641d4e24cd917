"What a stranger might hand to discovery: each is one clear sentence, and nothing is lost."
import math
import pytest,torch
from commands import refuses
from semistyle.core import set_seed
from semistyle.discover.baselines import find_directions
from semistyle.discover.navigator import Directions,apply_edit,load_directions,owner_of,save_directions
from semistyle.discover.refine import direction_similarity,distinct_directions,short_list,visible_steps
from semistyle.runs.discover import run_discovery
from semistyle.discover.subspace import Subspace,informative_subspace
from semistyle.discover.train import learn_directions
from semistyle.metrics.discovery import Attributes,calibrate_steps,discovery_scores
from semistyle.toys import KnownGenerator
from semistyle.models.checkpoint import save_model
from semistyle.models.features import as_features
from semistyle.models.stylegan2 import StyleGAN2Discriminator,StyleGAN2Generator

pixels = as_features(lambda x: x, 'pixels')
QUICK = dict(kimg=.016, subspace=200, progress=False)

@pytest.fixture(scope='module')
def toy(): return KnownGenerator(num_ws=4, layers=(0,3))

@pytest.fixture(scope='module')
def model(tmp_path_factory):
    path,small = tmp_path_factory.mktemp('model')/'m',dict(channel_base=64, channel_max=8)
    set_seed(0)
    save_model(path, dict(note='untrained'),
               generator=StyleGAN2Generator(16, z_dim=8, w_dim=16, mapping_layers=1, **small),
               discriminator=StyleGAN2Discriminator(16, **small))
    return path

def other(**kwargs): return KnownGenerator(**dict(num_ws=4, layers=(0,3)) | kwargs)

@pytest.mark.parametrize('g,says', [(other(num_ws=5), 'num_ws=5'), (other(w_dim=9), 'w_dim=9'),
                                    (other(seed=1), 'other weights')])
def test_another_generators_directions_are_refused_everywhere(toy, g, says):
    d = Directions(toy.directions, owner_of(toy))
    for use in (lambda: direction_similarity(g, pixels, d), lambda: distinct_directions(g, pixels, d),
                lambda: visible_steps(g, pixels, d), lambda: short_list(g, pixels, d)):
        with pytest.raises(ValueError, match=says): use()

def test_tables_of_other_sizes(toy):
    known = Attributes(toy.read, toy.names, 'toy')
    for bad in (toy.directions[:,1:], toy.directions[...,1:], toy.directions[0], toy.directions[:0]):
        for judge in (discovery_scores, calibrate_steps):
            with pytest.raises(ValueError, match=r'should be \[n,4,8\] for this generator'): judge(known, toy, bad)
    with pytest.raises(ValueError, match=r'`variations` should have shape \[n,4,8\]'):
        Directions(toy.directions[...,1:], owner_of(toy))
    with pytest.raises(ValueError, match='variation should be'): apply_edit(torch.zeros(2,4,8), torch.zeros(3,8))

@pytest.mark.parametrize('value', [math.nan, math.inf])
def test_values_that_are_no_numbers(toy, value):
    d = toy.directions.clone(); d[1,0,0] = value
    with pytest.raises(ValueError, match=r'NaN or infinity in numbers \[1\]'):
        discovery_scores(Attributes(toy.read, toy.names), toy, d)
    with pytest.raises(ValueError, match='directions 1 should be finite'): Directions(d, owner_of(toy))
    with pytest.raises(ValueError, match='steps should be finite'):
        Directions(toy.directions, owner_of(toy), steps=[1,value,1,1])
    with pytest.raises(ValueError, match='finite'): find_directions(other_nan(value), pixels, 'contra-bi', 3, **QUICK)

def other_nan(value):
    "A generator whose mapping gives no numbers"
    g = other(); g.std[0] = value
    return g

def test_a_subspace_of_another_size(toy):
    far = informative_subspace(other(w_dim=9), 200, progress=False)
    with pytest.raises(ValueError, match=r'subspace should have axes \[8,8\] for this generator, got \[9, 9\]'):
        learn_directions(toy, pixels, subspace=far, kimg=.016, progress=False)
    with pytest.raises(ValueError, match='k should be from 1 to 8'): learn_directions(toy, pixels, k=9, **QUICK)

def test_settings_out_of_range(toy):
    for bad,says in ((dict(n_directions=1), 'at least 2'), (dict(bs=1), 'bs should be .*at least 2'),
                     (dict(steps=(0,1)), 'two positive numbers'),
                     (dict(length=-1.), 'length should be positive'), (dict(kimg=0), 'kimg should be a finite number above 0'),
                     (dict(lr=0.), 'lr should be a finite number above 0'),
                     (dict(similarity='cosine'), 'similarity should be one of'),
                     (dict(diversity=-1.), 'diversity should be a finite number'), (dict(consistency=math.nan), 'consistency should'),
                     (dict(minutes=-1), 'minutes should be a finite number'), (dict(steps=(1.,)), 'two positive numbers'),
                     (dict(n_directions=2.5), 'n_directions should be a whole number'), (dict(k=1.5), 'k should be a whole'),
                     (dict(seed=-1), 'seed should be a whole number'), (dict(features=None), 'images -> list of maps, got a NoneType'),
                     (dict(features=lambda x: x.mean((2,3))), r'list of maps \[\d+,C,H,W\], one for each layer, returned a tensor of shape \[\d+, 3\]: wrap'),
                     (dict(size=8), "size should be given for prototypes alone, got method='binary'"),
                     (dict(method='prototype', size=0), 'size should be a whole number of at least 1'),
                     (dict(length=math.nan), 'length should be positive')):
        with pytest.raises(ValueError, match=says): learn_directions(toy, **dict(features=pixels) | QUICK | bad)

def test_a_report_of_a_broken_run_leaves_the_old_one(model, tmp_path):
    run_discovery(model, tmp_path/'out', 'sefa', 2, **QUICK)
    before = (tmp_path/'out'/'report.html').read_bytes()
    with pytest.raises(ValueError, match='k should be from'):
        run_discovery(model, tmp_path/'out', 'contra-bi', 2, k=17, **QUICK)
    assert (tmp_path/'out'/'report.html').read_bytes()==before
    load_directions(tmp_path/'out'/'directions')

def test_the_command_says_it_in_a_sentence(model, tmp_path):
    at = ['--out', tmp_path/'o', '--samples', 200, '--kimg', .016]
    refuses('semistyle_discover', tmp_path/'nowhere', *at, says=['nowhere'])
    refuses('semistyle_discover', 'robot-oracle-32', *at, says=['should hold a generator'])
    refuses('semistyle_discover', model, *at, '--method', 'pca', says=['method should be one of'])
    refuses('semistyle_discover', model, *at, '--distinct', 2, says=['distinct should be at most 1, got 2'])
    refuses('semistyle_discover', model, *at, '--judge', 'robot-oracle-32', says=['judge should be a model whose generator takes'])
    refuses('semistyle_discover', model, *at, '--words', model/'config.json',
            says=['words and clip should be given together'])
    refuses('semistyle_discover', model, *at[:4], '--directions', 40, '--method', 'ganspace',
            says=['n_directions should be from 1 to 16, got 40'])
    refuses('semistyle_bench', 'discover', '--resolution', 48, says=['resolution should be one of'])
