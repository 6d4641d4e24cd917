"`semistyle_eval --metrics`: what it measures, what it refuses before it starts, and that it goes on where it was stopped."
import json,re,signal,time
import pytest,torch
from commands import refuses,run,start
from semistyle.data.open import load_world
from semistyle.models.oracle import Oracle
from semistyle.runs.evaluate import measure_model,measures,plan_measures
from semistyle.runs.subject import Subject
from semistyle.models.checkpoint import load_model,save_model
from semistyle.models.semi import semi_networks
from semistyle.models.stylegan import Generator

SIZE = dict(channel_base=128, channel_max=8)
NO_WEIGHTS = {'path','path_faces','quality','quality_vgg'}

@pytest.fixture(scope='module')
def home(tmp_path_factory):
    "Saved models of untrained networks: one with codes, one without, one of no world, and an oracle that reads something"
    home,world = tmp_path_factory.mktemp('eval'),load_world('sprites', 16)
    torch.manual_seed(0)
    g,d = semi_networks(5, 16, 1, dict(z_dim=4, w_dim=8, mapping_layers=1, **SIZE), SIZE)
    oracle = Oracle(16, 5, 1, widths=(8,8), n_blocks=1).requires_grad_(False)
    oracle.head[2].weight.mul_(30); oracle.head[2].bias.fill_(.5)
    save_model(home/'semi', dict(world='sprites', space=world.space), generator=g, discriminator=d)
    save_model(home/'plain', dict(world='sprites'),
               generator=Generator(16, z_dim=4, w_dim=8, mapping_layers=1, img_channels=1, **SIZE))
    save_model(home/'lost', {}, generator=Generator(16, z_dim=4, w_dim=8, mapping_layers=1, img_channels=1, **SIZE))
    save_model(home/'oracle', dict(world='sprites'), oracle=oracle)
    with torch.no_grad(): g.synthesis.to_rgb.bias.fill_(float('nan'))
    save_model(home/'ill', dict(world='sprites', space=world.space), generator=g, discriminator=d)
    return home

@pytest.fixture(autouse=True)
def no_weights(monkeypatch, tmp_path):
    "A machine that holds no published weights"
    monkeypatch.setenv('TORCH_HOME', str(tmp_path/'torch'))

def evaluate(home, model, *args, out):
    r = run('semistyle_eval', home/model, '--oracle', home/'oracle', '--out', out, *args)
    return r,json.loads(out.read_text()) if out.exists() else None

QUICK = ['--metrics', 'mig_gen,l2,path_disc,separability', '--samples', 300, '--n', 1000, '--seeds', 2]

def test_by_name(home, tmp_path):
    "Only what was asked for, in a table and as JSON with its protocol; given again, nothing is measured again"
    r,d = evaluate(home, 'semi', *QUICK, out=tmp_path/'m.json')
    assert r.code==0, r.err
    want = ['l2','mig_gen'] + [f'ppl_{s}_{w}_disc' for s in 'zw'
                               for w in ('full','end')] + [f'separability_{s}' for s in ('z','zc','w')]
    assert list(d['metrics'])==want and all(o['n']==2 for o in d['metrics'].values())
    assert re.search(rf"^l2 +{d['metrics']['l2']['mean']:.4f} ", r.out, re.M)
    p = d['protocols']
    assert p['encoder']['n']==1000 and p['encoder']['n_bins']==20 and p['encoder']['seeds']==[0,1]
    path = p['path_disc']['paths']['ppl_w_end_disc']
    assert path['epsilon']==1e-4 and path['trim']==[1,99] and path['noise']=='pair' and path['features']=='disc' and path['n']==300
    assert p['separability']['n_keep']==150 and p['separability']['svm']=='linear_svm' and len(p['separability']['attributes'])==5
    assert p['separability']['better']['separability_w']=='lower' and {'command','commit','machine','seconds'} <= d.keys()
    assert '4/8' in r.err and 'separability: 300 pictures, seed 1' in r.err
    again,e = evaluate(home, 'semi', *QUICK, out=tmp_path/'m.json')
    assert again.code==0 and 'pictures, seed' not in again.err and again.out==r.out and e['metrics']==d['metrics']

def test_another_model_is_measured_anew(home, tmp_path):
    "Numbers of one model are never taken for those of another"
    out = tmp_path/'m.json'
    a = evaluate(home, 'semi', '--metrics', 'separability', '--samples', 300, '--seeds', 1, out=out)[1]
    b = evaluate(home, 'plain', '--metrics', 'separability', '--samples', 300, '--seeds', 1, out=out)[1]
    assert a['metrics']!=b['metrics'] and list(b['metrics'])==['separability_z','separability_w'] and len(b['runs'])==1

@pytest.mark.parametrize('slow_too', [False, pytest.param(True, marks=pytest.mark.slow)])
def test_all(home, tmp_path, monkeypatch, slow_too):
    "Everything that can be measured here; what cannot is named, with the reason, and not downloaded"
    if not slow_too:
        for o in ('dci','dci_hist','explicitness','sap','path_oracle','path_disc','quality_oracle'):
            monkeypatch.delitem(measures, o)
    r,d = evaluate(home, 'semi', '--metrics', 'all', '--samples', 1200, '--n', 1000, '--seeds', 1,
                   out=tmp_path/'m.json')
    assert r.code==0, r.err
    # votes share one of 40 orientations in 64 pictures; this generator makes pictures from nothing
    few = {'factor_vae','beta_vae','turned'}
    assert set(d['skipped'])==NO_WEIGHTS|few and set(d['protocols'])==set(measures)-NO_WEIGHTS-few
    assert 'at least 10,000' in d['skipped']['factor_vae'] and 'factor_vae is left out: n should be' in r.err
    assert {'mig','l2_gen','render_ratio','modularity','separability_w','fd_disc','kd_disc',
            'recall_disc'} <= d['metrics'].keys()
    if slow_too:
        assert {'sap','ppl_w_end_disc','fd_oracle','dci_disentanglement','dci_hist_completeness','explicitness',
                'ppl_w_end_oracle'} <= d['metrics'].keys()
    assert set(d['ceiling'])=={'mig_gen','l2_gen','l2_gen_between'} and not {'fid','kid','precision','ppl2_wend'} & d['metrics'].keys()
    assert all(o['mean'] is not None for o in d['metrics'].values())
    for o in NO_WEIGHTS: assert f'{o} is left out: ' in r.err
    assert "is not in PyTorch's cache" in d['skipped']['quality']

def test_label_free(home, tmp_path, monkeypatch):
    "A generator without codes, and one of no known world"
    monkeypatch.delitem(measures, 'path_oracle')                 # slow here
    r,d = evaluate(home, 'plain', '--metrics', 'all', '--samples', 1000, '--seeds', 1, out=tmp_path/'m.json')
    assert r.code==0, r.err
    assert set(d['protocols'])=={'quality_oracle','separability'}
    assert 'takes codes' in d['skipped']['generator'] and 'no encoder' in d['skipped']['dci']
    refuses('semistyle_eval', home/'lost', '--metrics', 'all',
            says=['nothing can be measured', 'give one with --world'])
    r = run('semistyle_eval', home/'lost', '--world', 'sprites', '--oracle', home/'oracle', '--metrics', 'all',
            '--check')
    assert r.code==0 and re.search(r'^separability +5,000$', r.out, re.M)

def test_check_writes_nothing(home, tmp_path, monkeypatch):
    "`--check` lists metrics, their sizes and what is lacking"
    monkeypatch.chdir(tmp_path)
    r = run('semistyle_eval', home/'semi', '--oracle', home/'oracle', '--check', '--samples', 'published')
    assert r.code==0, r.err
    assert re.search(r'^separability +200,000$', r.out,
                     re.M) and 'quality is left out: ' in r.out and not [*tmp_path.glob('*.json')]

def test_refused_before_it_starts(home, tmp_path):
    "One sentence, and no file"
    def no(*args, says):
        refuses('semistyle_eval', *args, '--out', tmp_path/'m.json', says=says); assert not (tmp_path/'m.json').exists()
    both = [home/'semi', '--oracle', home/'oracle', '--metrics']
    no(*both, 'mig,fame', says=["metrics should be 'all' or of encoder", "'fame'"])
    no(*both, 'mig', '--samples', 'some', says=['--samples', "'some'"])
    no(*both, 'mig', '--samples', '0', says=['--samples'])
    no(home/'semi', '--metrics', 'separability', says=['separability cannot be measured', '--oracle'])
    no(home/'plain', '--metrics', 'mig', says=['encoder cannot be measured: the model holds no encoder'])
    no(home/'ill', '--metrics', 'all', says=['should generate finite images', 'NaN'])
    no(*both, 'separability', '--samples', 20, '--seeds', 1,
       says=['separability cannot be measured: n should be at least 40, got 20'])
    (tmp_path/'m.json').mkdir()
    refuses('semistyle_eval', *both, 'mig', '--out', tmp_path/'m.json', says=['is a folder'])

def test_a_wrong_file_is_not_overwritten(home, tmp_path):
    out = tmp_path/'m.json'
    out.write_text('my notes')
    refuses('semistyle_eval', home/'plain', '--metrics', 'separability', '--oracle', home/'oracle', '--out', out,
            says=['should be new or hold results'])
    assert out.read_text()=='my notes'

def test_small_samples_are_named(home):
    "Of all, a metric that its samples are too few for is left out, and the others are measured"
    world = load_world('sprites', 16)
    s = Subject(load_model(home/'semi'), world, load_model(home/'oracle').oracle)
    d = measure_model(s, 'all', 30, 1000, [0], progress=False)
    assert 'at least 40' in d['skipped']['separability'] and 'at least 1,000' in d['skipped']['quality_disc']
    assert 'at least 240' in d['skipped']['sap'] and {'mig','l2_gen'} <= d['metrics'].keys()
    assert 'separability' in plan_measures(s, 'all', 40)[0]

def test_interrupted(home, tmp_path):
    "Ctrl-C ends with 130; what was measured and drawn is kept, and the numbers are the same"
    args = ['--oracle', home/'oracle', '--metrics', 'render_ratio,separability', '--samples', 6000, '--n', 1000,
            '--seeds', 1]
    out,parts = tmp_path/'m.json',tmp_path/'m.parts'
    p = start('semistyle_eval', home/'semi', *args, '--out', out)
    for _ in range(1200):
        if len([*parts.glob('separability-0-*/*.npy')])>=2 or p.poll() is not None: break
        time.sleep(.05)
    p.send_signal(signal.SIGINT)
    assert p.wait(60)==130, p.stderr.read()
    assert 'go on with the same command' in p.stderr.read()
    assert [*json.loads(out.read_text())['metrics']]==['render_ratio']
    assert [*parts.glob('separability-0-*/*.npy')]
    d = evaluate(home, 'semi', *args[2:], out=out)[1]
    assert not parts.exists()
    straight = evaluate(home, 'semi', *args[2:], out=tmp_path/'s.json')[1]
    assert d['metrics']==straight['metrics'] and d['protocols']==straight['protocols']

def test_weights_are_known_by_what_they_hold(home, tmp_path):
    "`--weights`: a folder without any, a file of something else, and one that runs code are refused in one sentence, unrun"
    class Bomb:
        def __reduce__(self): return (tmp_path/'exploded').touch, ()
    args = [home/'semi', '--metrics', 'quality_vgg', '--weights']
    refuses('semistyle_eval', *args, home, says=['end in .pth', 'hold none'])
    refuses('semistyle_eval', *args, tmp_path/'gone.pth', says=['gone.pth is missing'])
    torch.save(dict(a=torch.zeros(2)), tmp_path/'other.pth')
    refuses('semistyle_eval', *args, tmp_path/'other.pth', says=['Inception, VGG16 or LPIPS'])
    torch.save(dict(a=Bomb()), tmp_path/'bomb.pth')
    refuses('semistyle_eval', *args, tmp_path/'bomb.pth', says=['weights and nothing else'])
    assert not (tmp_path/'exploded').exists()
    refuses('semistyle_eval', home/'lost', '--metrics', 'fd_oracle', '--oracle', home/'oracle',
            says=['oracle should be given with', '--world'])

@pytest.mark.slow
def test_stand_in_weights(home, tmp_path):
    "Random weights in the form of the published files: all of path length, precision and recall runs, under names that say so"
    pytest.importorskip('torch_fidelity'); pytest.importorskip('lpips')
    from torchvision.models import vgg16
    torch.manual_seed(0)
    torch.save(vgg16(weights=None).state_dict(), tmp_path/'mine.pth')
    args = ['--weights', tmp_path, '--samples', 6, '--seeds', 1]
    r,d = evaluate(home, 'semi', '--metrics', 'path,quality_vgg', *args, out=tmp_path/'m.json')
    assert r.code==0, r.err
    names = set(d['metrics'])
    assert len(names)==6 and all(re.search('_[0-9a-f]{8}$', o)
                                 for o in names) and not names & {'precision','recall','ppl2_wend'}
    better = d['protocols']['quality_vgg']['better'] | d['protocols']['path']['better']
    assert set(better)==names and all(v==('lower' if k.startswith('ppl') else 'higher') for k,v in better.items())
    refuses('semistyle_eval', home/'semi', '--metrics', 'precision', *args,
            says=['precision should be of the published weights', 'quality_vgg'])

@pytest.mark.slow
def test_stand_in_inception(home, tmp_path):
    "Random weights in the form of Inception's file, from the file to a number that is not called KID"
    inc = pytest.importorskip('torch_fidelity.feature_extractor_inceptionv3')
    from unittest.mock import patch
    from semistyle.runs.subject import sort_weights
    from semistyle.metrics.quality import evaluate_quality
    torch.manual_seed(0)
    with patch.object(inc, 'load_state_dict_from_url',
                      lambda *a,**k: {}), patch.object(inc.FeatureExtractorInceptionV3, 'load_state_dict'):
        net = inc.FeatureExtractorInceptionV3('inception', ['2048'])
    torch.save(net.state_dict(), tmp_path/'renamed.pth')
    s = Subject(load_model(home/'semi'), load_world('sprites', 16), weights=sort_weights([tmp_path/'renamed.pth']))
    assert 'quality' in plan_measures(s, 'quality')[0]
    with pytest.raises(ValueError, match='fid should be of the published weights'): plan_measures(s, 'fid')
    net = s.published('inception')
    res = evaluate_quality(s.sampler.images, s.world, net, 8, 'kd', subset_size=4, cache_dir=tmp_path)
    assert net.name.startswith('inception_') and f'kd_{net.name}' in res and 'kid' not in res

def test_a_page_without_a_world(home, tmp_path):
    "Nothing can be measured: its pictures, and why; a measure that needs no world is on it; without a generator, a refusal"
    r = run('semistyle_eval', home/'lost', '--report', tmp_path/'r.html')
    assert r.code==0 and 'nothing can be measured' in r.out and f"wrote {tmp_path/'r.html'}" in r.out, r.err
    page = (tmp_path/'r.html').read_text()
    assert 'is not known, so nothing was measured that needs true pictures' in page and 'Random samples' in page and 'Styles mixed' in page and 'All numbers' not in page
    save_model(tmp_path/'m', {}, generator=load_model(home/'lost').generator,
               discriminator=load_model(home/'semi').discriminator)
    r = run('semistyle_eval', tmp_path/'m', '--metrics', 'path_disc', '--samples', 500, '--seeds', 1, '--out',
            tmp_path/'m.json', '--report', tmp_path/'r.html')
    assert r.code==0 and 'ppl_w_end_disc' in r.out, r.err
    page = (tmp_path/'r.html').read_text()
    assert 'All numbers' in page and 'ppl_w_end_disc' in page and 'is not known' in page
    refuses('semistyle_eval', home/'oracle', '--report', tmp_path/'no.html',
            says=['report should be asked for a model with a generator', 'leave it out'])
    refuses('semistyle_eval', home/'lost', says=['should say which world its pictures are of', 'give a world'])
    assert not (tmp_path/'no.html').exists()
