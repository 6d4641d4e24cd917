"What a command line asks for by a preset's name is what the table says."
import subprocess,sys
import pytest
from commands import script
from semistyle.core import read_json
from semistyle.runs.train import plan_run
from semistyle.training.presets import get_preset,kinds,presets

def test_paper_is_semi_stylegan(tmp_path):
    "Nie et al. 2020: gamma_G = beta = 10, gamma_E = 0, alpha = 1, xi = 0.75, eta = 0.1 % of Isaac3D at 128x128"
    p = plan_run(tmp_path/'run', preset='paper')['settings']
    want = dict(kind='semi', img_resolution=128, gamma_g=10., beta=10., gamma_e=0., alpha=1., xi=.75, eta=.001,
                image_weight=0.)
    assert {k:p[k] for k in want}==want and p['g_args']['c_embed']==512 and p['d_args']['readout']=='shared'

@pytest.mark.parametrize('name', [k for k in presets if k!='celeba-256'])  # which is for files that are not here
def test_every_preset_can_be_planned(name, tmp_path):
    run = plan_run(tmp_path/'run', preset=name, world='shapes')
    assert run['preset']==name and run['settings']['kind'] in kinds
    assert run['settings'].keys()==presets[name].keys()

def test_kind_is_the_presets(tmp_path):
    "It decides on networks and terms, so it is chosen by a preset's name and not beside it"
    with pytest.raises(ValueError, match='kind=stylegan2'):
        plan_run(tmp_path/'run', preset='robot-32', items=['kind=stylegan2'])

def test_a_number_may_begin_with_its_point(tmp_path):
    out = tmp_path/'run'
    cmd = [sys.executable, script('semistyle_train'), '--preset', 'robot-16', '--kimg', '.008', '--set',
           'lr_g=.0175 eta=.01', '--out', str(out)]
    subprocess.run(cmd, check=True, capture_output=True, cwd=tmp_path)
    s = read_json(out/'run.json')['settings']
    assert (s['lr_g'],s['eta'])==(.0175,.01) and get_preset('robot-16')['lr_g']!=.0175
