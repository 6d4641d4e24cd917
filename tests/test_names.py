"Folders and files of any name that the file system takes: a run, its resumption, its pictures and an edit; or one sentence."
import json,os
import pytest
from commands import run

NETS = 'g_args.z_dim=4 g_args.w_dim=16 g_args.channel_base=128 g_args.channel_max=16 d_args.channel_base=128 d_args.channel_max=16'
NAMES = ['two words', 'm[1]', 'a*b?', "it's", 'say "no"', 'line\nbreak', 'tab\there', 'naïve 写真', '-dash', '$HOME `id`',
         '<b>&amp;', '%20', '#1', '.hidden', 'x'*255, '写'*85]

@pytest.mark.parametrize('name', NAMES)
def test_a_name(name, tmp_path):
    "Trained, resumed and drawn; beside it, a folder that its name matches as a pattern is left alone"
    out,beside = tmp_path/name,tmp_path/'m1'
    beside.mkdir(); (beside/'mine.txt').write_text('mine')
    args = ['--world', 'sprites', '--preset', 'robot-16', '--set', NETS]
    for more in ([*args, '--kimg', '.016'], ['--resume']):
        r = run('semistyle_train', *more, f'--out={out}')
        assert r.code==0, r.err
    r = run('semistyle_show', out/'model', '--kind', 'grid', f'--out={out}/g.png')
    assert r.code==0 and (out/'g.png').exists(), r.err
    assert (beside/'mine.txt').read_text()=='mine' and sorted(o.name for o in tmp_path.iterdir())==sorted([name, 'm1'])

@pytest.mark.parametrize('name', NAMES)
def test_a_file(name, tmp_path):
    "Results in a file of that name: written, or refused in one sentence where the name has no room for what is not whole yet"
    r = run('semistyle_eval', 'robot-64', '--n', 100, '--seeds', 1, '--metrics', 'encoder', f'--out={tmp_path/name}')
    if r.code==0: assert json.loads((tmp_path/name).read_text())['metrics']
    else: assert r.code==2 and len(name.encode())>240 and 'could not write' in r.err and 'Traceback' not in r.err, r.err
    assert {o.name for o in tmp_path.iterdir()}<={name}
