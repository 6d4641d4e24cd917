"Info-StyleGAN and InfoGAN end to end: codes without names, from a preset to measures and pictures; a category that turns the digit."
import sys
import numpy as np,pytest,torch
from commands import refuses,run
from conftest import ROOT
from semistyle.core import read_json,set_seed
from semistyle.data.factors import CodeSpace
from semistyle.data.open import load_dataset
from semistyle.models.checkpoint import load_model
from semistyle.training.presets import gan_learner
from semistyle.widgets import CodeSliders

sys.path[:0] = [str(ROOT/'experiments'),str(ROOT/'experiments'/'tables')]
SMALL = '--set', 'bs=8 g_args.channel_max=16 d_args.channel_max=16 kernels=false', '--kimg', .05

def test_continuous_codes_from_a_preset_to_its_measures(tmp_path):
    out = tmp_path/'r'
    res = run('semistyle_train', '--preset', 'info-shapes-32', *SMALL, '--out', out)
    assert res.code==0, res.err
    m = load_model(out/'model')
    assert m.config['world']=='shapes' and m.space==CodeSpace([], 6) and not (out/'labels.json').exists()
    assert run('semistyle_train', '--resume', '--out', out).code==0
    res = run('semistyle_eval', out/'model', '--metrics', 'mig,modularity', '--n', 1500, '--samples', 1500, '--out',
              tmp_path/'e.json')
    assert res.code==0, res.err
    got = read_json(tmp_path/'e.json')['metrics']
    assert {*got}=={'mig','modularity'} and 0<=got['mig']['mean']<=1
    refuses('semistyle_eval', out/'model', '--metrics', 'l2_gen',
            says=['no generator here takes codes of known factors'])
    for ends in ('png','gif'): assert run('semistyle_show', out/'model', '--out', tmp_path/f't.{ends}').code==0
    assert run('semistyle_eval', out/'model', '--report', tmp_path/'page.html', '--n', 300).code==0
    assert 'nobody has named its parts' in (tmp_path/'page.html').read_text()

def test_a_category_among_the_codes_is_saved_shown_and_turned(tmp_path):
    out = tmp_path/'r'
    res = run('semistyle_train', '--preset', 'info-digits-8', '--kimg', .1, '--out', out)
    assert res.code==0, res.err
    m = load_model(out/'model')
    assert m.config['data']['source']=='digits' and m.space==CodeSpace([10], 2) and m.generator.c_dim==12
    read = m.discriminator.encode(load_dataset('digits').tensor(np.arange(5)))
    assert torch.allclose(read[:,:10].sum(1), torch.ones(5), atol=1e-5)
    assert m.sampler().codes(40, 0)[:,:10].sum(1).unique().tolist()==[1]
    assert run('semistyle_show', out/'model', '--out', tmp_path/'t.png').code==0
    sliders = CodeSliders(m.generator, m.space)
    assert list(sliders.values)==['category 0','code 0','code 1'] and sliders.code[:10].sum()==1
    refuses('semistyle_eval', out/'model', '--metrics', 'encoder', says=['nobody has named the parts of its code'])
    assert run('semistyle_train', '--resume', '--out', out).code==0

def test_a_category_alone(tmp_path):
    "A code may be a category and nothing else; it is shown, turned and resumed, and a page of sliders says why there is none"
    out = tmp_path/'r'
    res = run('semistyle_train', '--preset', 'info-digits-8', '--set', 'continuous=0', '--kimg', .1, '--out', out)
    assert res.code==0, res.err
    m = load_model(out/'model')
    assert m.space==CodeSpace([10]) and m.generator.c_dim==10 and [*CodeSliders(m.generator, m.space).values]==['category 0']
    assert run('semistyle_show', out/'model', '--out', tmp_path/'t.png').code==0
    assert run('semistyle_train', '--resume', '--out', out).code==0
    refuses('semistyle_export', out/'model', '--page', tmp_path/'page', says=['should be numbers alone for a page, have categories'])

def test_values_are_matched_with_digits(tmp_path, monkeypatch):
    "A toy that draws for each value the digit that lies three further: all of it is matched; and of one that draws one digit only, a tenth"
    import run as driver,infogan_digits as table
    ds = load_dataset('digits'); judge,right = table.judge_of(ds)
    assert right>.93
    sure = ds.tensor([np.flatnonzero((ds.labels==k) & (judge.predict(ds.tensor(np.arange(len(ds))).flatten(1).numpy())==k))[0] for k in range(10)])
    class Toy:
        z_dim = 3
        def __init__(self, further): self.further = further
        def __call__(self, z, c, noise_mode): return sure[(c[:,:10].argmax(1)+3)%10 if self.further else torch.zeros(len(c)).long()]
    share,digits,counts = table.matched(Toy(True), CodeSpace([10], 2), judge, 400, 0)
    assert share==1 and digits==[(k+3)%10 for k in range(10)] and np.sum(counts)==400
    assert abs(table.matched(Toy(False), CodeSpace([10], 2), judge, 4000, 0)[0]-.1)<.03
    pic = table.drawn_rows(Toy(True), CodeSpace([10], 2), digits)
    assert pic.shape==(10*9-1,12*9-1,3) and (pic[:8,:8,0]==np.rint((sure[0,0].numpy()+1)*127.5)).all()   # the first row is of zeros
    monkeypatch.chdir(tmp_path); monkeypatch.setattr(driver, 'changes', lambda: '')
    driver.main('infogan_digits', seeds=1, set='kimg=.1 n=100')
    file = tmp_path/'results'/'infogan_digits'/'info-digits-8'/'category-0.json'
    assert 0<=read_json(file)['rows'][0]['matched']<=1 and file.with_suffix('.png').stat().st_size>1000
    with pytest.raises(ValueError, match="preset should be one of info-digits-8 for infogan_digits, got 'info-128'"):
        driver.main('infogan_digits', seeds=1, set='preset=info-128')

@pytest.mark.slow
def test_one_category_turns_the_digit():
    "Chen et al. 2016, figure 2: without a label. A classifier of true digits reads what each category draws, matched one to one"
    from infogan_digits import judge_of,matched
    ds = load_dataset('digits')
    set_seed(0); learn = gan_learner(ds, 'info-digits-8').fit_kimg(60)
    share,_,table = matched(learn.generator_ema.g_ema, learn.code_space, judge_of(ds)[0], 2000, 0)
    assert share>.6, table                                          # chance is .1, seed 0 gave .73
