"Photographs with a table of labels, packed stores and published sets, by the same commands as the rendered worlds."
import json,re,shutil,signal
import numpy as np, pytest, torch
from PIL import Image
from commands import refuses,run
from test_resume import disturbed,same
from semistyle.data.open import load_world
from semistyle.models.oracle import Oracle
from semistyle.models.checkpoint import load_model,save_model

NETS = ' '.join(f'{o}_args.channel_base=128 {o}_args.channel_max=16'
                for o in 'gd') + ' g_args.z_dim=4 g_args.w_dim=16 g_args.mapping_layers=1'
SMALL = ['--preset','robot-16','--set',f'bs=8 labelled_bs=4 {NETS}']

@pytest.fixture(scope='module')
def home(tmp_path_factory):
    "1,100 photographs, and two tables: of the first 250, with gaps, and of 150 others, whose heights are of a narrower range"
    home,world = tmp_path_factory.mktemp('own'),load_world('robot', 16)
    factors,rng = world.space.sample(1100, 0),np.random.default_rng(0)
    (home/'photos').mkdir()
    for i,x in enumerate(world.batch(factors)): Image.fromarray(x).save(home/'photos'/f'{i:04}.png')
    (home/'photos'/'notes.txt').write_text('taken on Sunday')
    def table(name, rows, header, cells):
        lines = [f'{i:04}.png,' + ','.join('' if rng.random()<.2 else f'{float(v):g}' for v in cells(factors[i]))
                 for i in rows]
        (home/name).write_text('\n'.join([header, *lines]))
    table('labels.csv', range(250), 'file,light,green,across', lambda f: (f[5], f[8]==1, 10+f[1]))
    table('others.csv', [i for i in range(250, 500) if factors[i][1]<5], 'file,across,light,green',
          lambda f: (10+f[1], f[5], f[8]==1))
    return home

@pytest.fixture(scope='module')
def trained(home):
    "A run on the folder, with half of the labels, measured at its end"
    r = run('semistyle_train', '--world', home/'photos', '--labels', home/'labels.csv', '--eta', .1, *SMALL, '--kimg',
            .24, '--seed', 3, '--out', home/'run', '--eval')
    assert r.code==0, r.err
    assert re.search(r'photos: 1,100 images, labels for 10 %, fewest of \w+ \(\d+\)', r.err), r.err
    return home/'run'

def test_what_a_run_leaves_behind(home, trained):
    "The same files as of a rendered world, and where the data lie in one of them only"
    assert {o.name for o in trained.iterdir()}=={'run.json','source.json','labels.json','log.csv','film.png','state',
                                                 'model','metrics.json','report.html'}
    r = json.loads((trained/'run.json').read_text())
    assert r['world']=='photos' and r['data']['images']==1100 and r['data']['options']=={'labels':'labels.csv'}
    assert r['data']['resize']['filter']=='box' and len(r['data']['sha256'])==64 and r['settings']['image_weight']==0
    assert [o['name'] for o in r['data']['taught']]==['light','green','across'] and all(o['missing'] for o in r['data']['taught'])
    assert json.loads((trained/'source.json').read_text())==dict(world=str(home/'photos'),
                                                                 labels=str(home/'labels.csv'))
    for o in trained.rglob('*'):
        if o.suffix in ('.json','.md','.html','.csv') and o.name not in ('source.json','metrics.json'):
            assert str(home) not in o.read_text(), o
    d,page = json.loads((trained/'metrics.json').read_text()),(trained/'report.html').read_text()
    assert set(d['metrics'])=={'mig','l2'} and d['protocols']['encoder']['taught']==110 and 'render_ratio' in d['skipped']
    assert 'true pictures' in page.lower() and 'rendered' not in page and 'Isaac3D' not in page and '110 others were taught' in page
    card = (trained/'model'/'model_card.md').read_text()
    assert '| light |' in card and '| mig |' in card and 'photos, 1,100 images at 16x16' in card

@pytest.mark.slow
def test_killed_and_moved(home, tmp_path):
    "A packed store; killed at a random moment, the store moved, resumed from its new place: bit for bit"
    r = run('semistyle_data', 'pack', home/'photos', '--labels', home/'labels.csv', '--workers', 1, '--out',
            tmp_path/'store')
    assert r.code==0, r.err
    args = ['--world', tmp_path/'store', '--eta', .2, *SMALL, '--kimg', .4]
    assert run('semistyle_train', *args, '--out', tmp_path/'whole').code==0
    p,_ = disturbed(tmp_path/'killed', signal.SIGKILL, 0, args)
    assert p.returncode==-signal.SIGKILL
    moved = shutil.move(tmp_path/'store', tmp_path/'moved')
    refuses('semistyle_train', '--out', tmp_path/'killed', '--resume', says=['store is missing', '--world'])
    r = run('semistyle_train', '--out', tmp_path/'killed', '--resume', '--world', moved)
    assert r.code==0, r.err
    same(tmp_path/'whole', tmp_path/'killed')

def test_changed_data_are_refused(home, trained, tmp_path):
    "A label corrected, a photograph added, another filter, another table: not the same run"
    for o in ('photos','run'): shutil.copytree(home/o, tmp_path/o)
    shutil.copy(home/'labels.csv', tmp_path)
    at = ['--out', tmp_path/'run', '--resume', '--world', tmp_path/'photos', '--labels', tmp_path/'labels.csv']
    assert run('semistyle_train', *at).code==0
    refuses('semistyle_train', *at, '--filter', 'bilinear', says=['filter should be None'])
    refuses('semistyle_train', *at, '--eta', '.2', says=['eta should be 0.1'])
    refuses('semistyle_train', *at[:5], '--labels', home/'others.csv', says=['has changed or is another'])
    text = (tmp_path/'labels.csv').read_text()
    (tmp_path/'labels.csv').write_text(text.replace('0001.png,', '0777.png,'))
    refuses('semistyle_train', *at, says=['has changed or is another, of 1,100'])
    (tmp_path/'labels.csv').write_text(text)
    shutil.copy(home/'photos'/'0001.png', tmp_path/'photos'/'z.png')
    refuses('semistyle_train', *at, says=['has changed or is another, of 1,101'])

def test_refused_before_it_starts(home, tmp_path):
    "One sentence, and no run"
    def no(*args, says):
        refuses('semistyle_train', *args, '--out', tmp_path/'no', says=says)
        assert not (tmp_path/'no').exists() or not [*(tmp_path/'no').iterdir()]
    photos,labels = ['--world', home/'photos'],['--labels', home/'labels.csv']
    no('--world', home/'nowhere', says=['a path that exists', 'nowhere'])
    no('--world', tmp_path, *SMALL, says=['should hold images'])
    no('--world', 'robot', *labels, says=['labels should be given for a data set'])
    no(*photos, '--labels', home/'gone.csv', *SMALL, says=['gone.csv'])
    no(*photos, *labels, *SMALL, '--eta', '.0001', says=['at least one label of 1,100 images'])
    no(*photos, *SMALL, '--eta', '.1', says=['should have labels to choose from', '`labels`'])
    no(*photos, *labels, '--preset', 'robot-32', says=['at most 16', "filter='lanczos'"])
    (tmp_path/'bad.csv').write_text('file,light\n9999.png,1\n0001.png,0\n')
    no(*photos, '--labels', tmp_path/'bad.csv', *SMALL, says=['9999.png'])
    shutil.copytree(home/'photos', tmp_path/'photos')
    (tmp_path/'photos'/'0123.png').write_bytes((home/'photos'/'0123.png').read_bytes()[:90])
    r = run('semistyle_train', '--world', tmp_path/'photos', *labels, '--eta', '.1', *SMALL, '--out', tmp_path/'no')
    last = r.err.strip().split('\n')[-1]
    assert r.code==2 and 'photos/0123.png should be an image' in last and 'skip_broken' in last and not (tmp_path/'no').exists()
    r = run('semistyle_train', '--world', tmp_path/'photos', *labels, '--eta', '.1', *SMALL, '--kimg', .008,
            '--skip_broken', '--out', tmp_path/'skipped')
    assert r.code==0 and json.loads((tmp_path/'skipped'/'run.json').read_text())['data']['images']==1099, r.err

def test_without_labels(home, tmp_path):
    "A folder and nothing else: Info-StyleGAN with one code, and pictures to show"
    r = run('semistyle_train', '--world', home/'photos', *SMALL, '--kimg', .04, '--out', tmp_path/'run', '--eval')
    assert r.code==0 and 'no labels' in r.err and 'nothing can be measured' in r.out, r.err
    p = json.loads((tmp_path/'run'/'run.json').read_text())['settings']
    assert [p[o] for o in ('eta','beta','alpha','gamma_g','gamma_e')]==[0,0,0,1,1]
    assert load_model(tmp_path/'run'/'model').space.names==('code',) and (tmp_path/'run'/'report.html').exists()
    r = run('semistyle_show', tmp_path/'run'/'model', '--out', tmp_path/'t.png')
    assert r.code==0 and (tmp_path/'t.png').exists(), r.err

def test_eval(home, trained, tmp_path):
    "By labels that training did not see; by other photographs on the model's own scales; as sets; and what is lacking"
    def measured(*args):
        r = run('semistyle_eval', trained/'model', *args, '--seeds', 1, '--out', tmp_path/'m.json')
        assert r.code==0, r.err
        return json.loads((tmp_path/'m.json').read_text()),r
    d,_ = measured('--metrics', 'l2,fd_disc', '--samples', 1000)
    assert set(d['metrics'])=={'l2','fd_disc'} and d['protocols']['encoder']['taught']==110
    d,_ = measured('--world', home/'photos', '--labels', home/'others.csv')
    how = {o['attribute']:o for o in d['protocols']['encoder']['attributes']}
    assert d['protocols']['encoder']['taught']==0 and list(how)==['light','green','across']      # the model's order
    d,_ = measured('--world', home/'photos', '--metrics', 'fd_disc', '--samples', 1000)
    assert list(d['metrics'])==['fd_disc']
    oracle = Oracle(16, 3, 3, widths=(8,8), n_blocks=1)
    save_model(tmp_path/'oracle', dict(space=load_model(trained/'model').space), oracle=oracle)
    d,_ = measured('--oracle', tmp_path/'oracle', '--n', 500)
    assert set(d['metrics'])=={'mig','l2','mig_gen','l2_gen'} and set(d['ceiling'])=={'mig_gen','l2_gen'}
    def no(*args, says): refuses('semistyle_eval', trained/'model', *args, says=says)
    no('--world', home/'photos', says=['nothing can be measured', 'give a table with --labels'])
    no('--metrics', 'mig_gen', says=['generator cannot be measured', '--oracle'])
    no('--metrics', 'render_ratio', says=['no grid of factors'])
    no('--world', 'robot', says=['robot should have labels of light, green, across'])
    (home/'few.csv').write_text('file,light\n0001.png,1\n0002.png,2\n')
    no('--world', home/'photos', '--labels', home/'few.csv', says=['lacks green, across'])

def test_drawn_heads(tmp_path):
    "The preset celeba-64 on files that are laid out as CelebA's, with marks that nobody knows"
    from semistyle.data.heads import write_heads
    write_heads(tmp_path/'heads', 60, missing=.2)
    r = run('semistyle_train', '--preset','celeba-64','--world',tmp_path/'heads','--kimg',.032,'--out',tmp_path/'run',
            '--eta',.2, '--set', f'img_resolution=16 bs=8 labelled_bs=4 {NETS}')
    assert r.code==0, r.err
    m = load_model(tmp_path/'run'/'model')
    assert (m.space.n_factors,m.space.names[-1],
            m.config['world'])==(40,'Young','celeba') and m.config['settings']['gamma_g']==1
    assert run('semistyle_show', tmp_path/'run'/'model', '--out', tmp_path/'rows.png').code==0

def test_celeba(tmp_path):
    "The preset celeba-256 by name: 40 attributes of enlarged photographs; here with small networks and a small size"
    (tmp_path/'celeba'/'img_align_celeba').mkdir(parents=True)
    rng,n = np.random.default_rng(0),60
    for i in range(n):
        Image.fromarray(rng.integers(0, 255, (218,178,3), np.uint8)).save(tmp_path/'celeba'/'img_align_celeba'/f'{i+1:06d}.jpg')
    marks = np.where(rng.random((n,40))<.4, 1, -1)
    (tmp_path/'celeba'/'list_attr_celeba.txt').write_text(f"{n}\n{' '.join(f'A{i}' for i in range(40))}\n" + ''.join(
        f"{i+1:06d}.jpg {' '.join(map(str, o))}\n" for i,o in enumerate(marks)))
    from semistyle.runs.train import plan_run
    p = plan_run(tmp_path/'x', tmp_path/'celeba', 'celeba-256', eta=.2)
    assert p.dataset.image_shape==(256,256,3) and p['data']['resize']['filter']=='lanczos' and p['settings']['beta']==1
    args = ['--preset','celeba-256','--world',tmp_path/'celeba','--kimg',.032,'--out',tmp_path/'run']
    refuses('semistyle_train', *args, '--eta', '.001', says=['at least one label of 60'])
    r = run('semistyle_train', *args, '--eta', .2, '--set', f'img_resolution=16 bs=8 labelled_bs=4 {NETS}')
    assert r.code==0, r.err
    m = load_model(tmp_path/'run'/'model')
    assert m.space.n_factors==40 and m.config['world']=='celeba' and m.config['data']['options']=={'filter':'lanczos'}
    assert 'A0' in m.card and 'resized by lanczos' in m.card
    assert run('semistyle_train', '--out', tmp_path/'run', '--resume').code==0
