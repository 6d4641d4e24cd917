"The tables of discovery: rows are scored, kept, skipped when there, and the same again."
import json,subprocess,sys
import pytest,torch
from conftest import ROOT
from semistyle.core import set_seed
from semistyle.discover.navigator import load_directions
from semistyle.models.checkpoint import load_model,save_model
from semistyle.models.stylegan2 import StyleGAN2Discriminator,StyleGAN2Generator

sys.path.insert(0, str(ROOT/'experiments'))
import run as driver
import contrafeat_tables

@pytest.fixture(scope='module')
def model(tmp_path_factory):
    "An untrained StyleGAN2 of the robot's size"
    path,small = tmp_path_factory.mktemp('model')/'m',dict(channel_base=64, channel_max=8)
    set_seed(0)
    save_model(path, dict(world='robot', resolution=32),
               generator=StyleGAN2Generator(32, z_dim=8, w_dim=16, mapping_layers=1, patch=2, **small),
               discriminator=StyleGAN2Discriminator(32, patch=2, **small))
    return path

def test_every_row_names_a_method():
    from semistyle.discover.baselines import METHODS
    rows = dict(contrafeat_tables.rows)
    assert rows.pop('pairs')=={} # measures pictures of the world, finds nothing
    assert rows.pop('judged')==dict(method='judged')  # for comparison, no method
    assert {v['method'] for v in rows.values()}==set(METHODS) and len(contrafeat_tables.sets['main'])==12
    assert len(contrafeat_tables.sets['ablations'])==20

def test_rows_are_scored_kept_and_skipped(model, tmp_path):
    rows = 'ganspace recog-att contra-pt-pooled contra-bi-oracle contra-bi-pixels contra-bi-imagenet latentclr-tau2 recog-long'
    quick = f'model={model} directions=3 kimg=.016 samples=200 n=2'
    def compute(): driver.main('contrafeat_tables', seeds=1, rows=rows, set=quick, out=str(out), dirty=True)
    out,tmp_path = tmp_path,tmp_path/'m'
    compute()
    files = {f.stem:json.loads(f.read_text()) for f in tmp_path.glob('*.json')}
    assert set(files)=={f'{o}-0' for o in rows.split()}
    for k,r in files.items():
        line, = r['rows']
        assert line['method']==k[:-2] and line['n_directions']==3 and line['n_attributes']==9 and line['model']=='m'
        assert 0<=line['s_disen']<=1 and 0<=line['n_discov']<=3 and r['protocol']['predictor']=='robot-oracle-32'
        assert line['kimg']=={'ganspace-0':0, 'recog-long-0':.064}.get(k, .016) and r['protocol']['n']==2
    assert 'attention' not in files['ganspace-0'] or files['ganspace-0']['attention'] is None
    assert files['contra-pt-pooled-0']['settings']['focus']=='pooled'
    looks = [files[f'contra-bi-{o}-0']['settings']['features'] for o in ('oracle','pixels','imagenet')]
    assert looks==['oracle','disc_pixels','efficientnet_lite0'] and files['latentclr-tau2-0']['settings']['term_args']==dict(tau=2)
    # the main table's, first seed
    assert {o.name for o in (tmp_path/'directions').iterdir()}=={'ganspace','recog-att'}
    assert len(load_directions(tmp_path/'directions'/'ganspace', load_model(model).generator))==3
    before = {f:f.stat().st_mtime_ns for f in tmp_path.glob('*.json')}
    compute()
    assert before=={f:f.stat().st_mtime_ns for f in tmp_path.glob('*.json')}
    (tmp_path/'recog-att-0.json').unlink()
    compute()
    assert json.loads((tmp_path/'recog-att-0.json').read_text())['changes']==files['recog-att-0']['changes']

def test_a_second_judge_reads_no_label(model, tmp_path):
    driver.main('contrafeat_tables', seeds=1, rows='ganspace',
                set=f'model={model} directions=3 samples=200 n=2 second=robot-64 second_kimg=.1',
                out=str(tmp_path), dirty=True)
    (line,) = json.loads((tmp_path/'m'/'ganspace-0.json').read_text())['rows']
    assert 0<=line['s_disen_regressed']<=1 and line['n_attributes_regressed']==9 and line['s_disen_regressed']!=line['s_disen']

def test_judged_row_learns_what_the_judge_rewards():
    "On a toy whose attributes each have a clean edit, the judge itself leads to clean directions of all of them"
    from semistyle.discover.subspace import informative_subspace
    from semistyle.metrics.discovery import Attributes,discovery_scores
    from semistyle.toys import KnownGenerator
    toy = KnownGenerator(num_ws=4, layers=(0,3))
    known,sub = Attributes(toy.read, toy.names, 'toy'),informative_subspace(toy, 2000, progress=False)
    def scores(batches, seed):
        found = contrafeat_tables.judged(toy, known, sub, seed, batches=batches)
        return discovery_scores(known, toy, found.variations, n=20)
    for seed in (0,1):
        few,many = scores(1, seed),scores(300, seed)
        assert many['n_discov']==4 and many['s_disen']>.8 and many['s_disen']>few['s_disen']+.3

@pytest.mark.parametrize('seed', [0,1])
def test_judged_row_finds_what_has_no_gradient(seed):
    "A judge that reads one attribute in steps has no gradient there; its direction is found by where it is read together with W, and none is given up"
    from semistyle.discover.subspace import informative_subspace
    from semistyle.metrics.discovery import Attributes,discovery_scores
    from semistyle.toys import KnownGenerator
    toy = KnownGenerator(num_ws=4, layers=(0,3))
    def read(img):
        x = toy.read(img)
        return torch.cat([x[:,:3], (x[:,3:]>0).float()], 1)
    known,sub = Attributes(read, toy.names, 'toy'),informative_subspace(toy, 2000, progress=False)
    found = contrafeat_tables.judged(toy, known, sub, seed, batches=300)
    res = discovery_scores(known, toy, found.variations, n=50)
    changes = torch.tensor(res['changes'])
    assert len(found)==4 and changes[3,3]>.05 and changes[3,3]>10*changes[3,:3].amax(), changes

def test_the_best_window_of_layers_is_found():
    "A direction of W that two layers read as different attributes: alone, either of them is clean, and so is every window that holds one of them"
    from semistyle.discover.navigator import Directions,owner_of
    from semistyle.metrics.discovery import Attributes
    from semistyle.toys import KnownGenerator
    toy = KnownGenerator(num_ws=4, layers=(0,3))
    known = Attributes(toy.read, toy.names, 'toy')
    whole = Directions(toy.directions.sum(1, keepdim=True).expand(-1, 4, -1) if toy.directions.ndim==3 else toy.directions, owner_of(toy))
    _,before = contrafeat_tables.score(toy, whole, known, 20, 0)
    found = contrafeat_tables.best_windows(toy, whole, known, 0)
    _,after = contrafeat_tables.score(toy, found, known, 20, 0)
    assert after['s_disen']>.9>before['s_disen'] and all(bool(o[0])!=bool(o[3])
                                                         for o in found.attention), (before['s_disen'], after['s_disen'], found.attention)

def test_rows_of_windows(model, tmp_path):
    driver.main('contrafeat_tables', seeds=1, rows='windows', set=f'model={model} directions=3 samples=200 n=2',
                out=str(tmp_path), dirty=True)
    for o in ('ganspace','sefa'):
        r = json.loads((tmp_path/'m'/f'{o}-window-0.json').read_text())
        assert r['rows'][0]['method']==f'{o}-window' and len(r['attention'])==3 and {v for o in r['attention'] for v in o}<={0.,1.}

def test_a_region_is_where_the_object_is():
    "By a judge that reads the truth: the masks of the world, a pixel wider; of changes of the object's hue all is inside, of the floor's next to none"
    from semistyle.data.open import load_world
    world = load_world('shapes', 32); factors = world.space.sample(9, 0)
    where = contrafeat_tables.object_region(world, lambda img: torch.from_numpy(world.space.to_codes(factors)))
    m,own = where(torch.zeros(9,3,32,32)),torch.from_numpy(world.masks(factors))
    wide = torch.nn.functional.pad(own, (1,1,1,1))
    assert torch.equal(m, torch.stack([wide[:,i:i+32,j:j+32] for i in range(3) for j in range(3)]).amax(0))
    with pytest.raises(ValueError, match='should draw shapes .* draws robot: choose another'): contrafeat_tables.object_region(load_world('robot', 32), None)
    class Painter(torch.nn.Module):
        "w: how far the object's pixels are changed, and all others"
        z_dim,w_dim,num_ws,c_dim,img_resolution = 2,2,1,0,32
        def mapping(self, z, c=None, truncation_psi=1.): return 0*z[:,None]
        def synthesis(self, ws, noise_mode='const'):
            a,b = ws[:,0,:,None,None,None].unbind(1); return a*(own[:,None]==1)+b*(own[:,None]==0)
    named = type('Two', (), dict(__len__=lambda self: 2, variations=torch.eye(2)[:,None], steps=torch.ones(2)))()
    (a,b),area = contrafeat_tables.inside(Painter(), named, where, 9, 0)
    assert a==1 and 0<b<.1 and abs(area-float(m.mean()))<1e-6

def test_rows_of_a_region(tmp_path):
    driver.main('contrafeat_tables', seeds=1, rows='region', set='directions=3 kimg=.016 samples=200 n=2', out=str(tmp_path), dirty=True)
    files = {f.stem:json.loads(f.read_text()) for f in (tmp_path/'shapes-stylegan2-32').glob('*.json')}
    assert set(files)=={'contra-pt-object-0','contra-pt-region-0'}
    for r in files.values(): assert len(r['inside'])==3 and 0<r['rows'][0]['inside']<1 and 0<r['rows'][0]['area']<.5
    assert files['contra-pt-object-0']['changes']!=files['contra-pt-region-0']['changes']
