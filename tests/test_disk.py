"""Bad disks, real ones: room for few files, for few bytes, one that turns read-only or goes away, a folder that is removed, a limit on the size of a
file. A command ends in one sentence with exit code 2, and with the disk mended the same command ends with the bytes of a run that nobody disturbed."""
import os,resource,shutil,signal,subprocess,sys,time
from pathlib import Path
import pytest
from commands import ONE_THREAD,run,script
from conftest import ROOT

def may_mount():
    return shutil.which('unshare') and not subprocess.run(['unshare','-rm','true'],
                                                          stderr=subprocess.DEVNULL).returncode

DISK = f"""
import runpy,subprocess,sys,time
from importlib import import_module
from pathlib import Path
sys.path.insert(0, '{ROOT}')
import torch; torch.set_num_threads(1)
t = runpy.run_path('{ROOT}/tools/torture.py')
for o in ('cli','runs.train','runs.discover','runs.page','runs.edit','runs.evaluate','data.check','data.packed'): import_module('semistyle.'+o)
name,home,limits = sys.argv[1],Path(sys.argv[2]),sys.argv[3:]
k,whole,disk = t['KINDS'][name](home),home/'whole',home/'disk'
script = t['_script']
t['act'].__globals__['_script'] = lambda command, folder: script(command, home)     # not on the disk
whole.mkdir(); disk.mkdir()
code,said,_ = t['act'](k.command, k.args, whole/k.out)
assert not code, said
failed = 0
for limit in limits:
    subprocess.run(['mount','-t','tmpfs','-o',limit,'tmpfs',disk], check=True)
    out = disk/'out'; out.mkdir()
    code,said,_ = t['act'](k.command, k.args, out/k.out)
    last = [o for o in said.replace(chr(13), chr(10)).split(chr(10)) if o.strip()][-1:] if code else []
    assert code in (0,2) and 'Traceback' not in said, (limit, code, said)
    assert not code or any(o in last[0] for o in ('could not', 'are needed', 'the disk')), (limit, last)
    failed += code==2
    subprocess.run(['mount','-o','remount,size=1g,nr_inodes=100000',disk], check=True)
    code,said = t['go_on'](k, out/k.out)
    wrong = t['lost'](whole, out, k.files) if not code else said
    assert not code and not wrong, (limit, code, wrong)
    subprocess.run(['umount',disk], check=True)
print(failed, 'of', len(limits), 'failed and went on')
"""

INODES = {'train':(2,4,5,6,8,10,12,14), 'discover':(3,5,7,9), 'pack':(3,5,6), 'edit':(3,5,7,9), 'eval':(2,3,4)}
# kilobytes
SIZES = {'train':(16,120,300,700), 'discover':(16,100,300), 'pack':(200,), 'edit':(16,80,200), 'eval':(4,)}

@pytest.mark.slow
@pytest.mark.parametrize('kind', INODES)
def test_few_inodes_and_few_bytes(kind, tmp_path):
    if not may_mount(): pytest.skip('this machine lets nobody mount a file system')
    limits = [f'nr_inodes={n}' for n in INODES[kind]]+[f'size={n}k' for n in SIZES[kind]]
    r = subprocess.run(['unshare','-rm',sys.executable,'-W','ignore','-c',DISK,kind,tmp_path,*limits],
                       capture_output=True, text=True, env=os.environ | ONE_THREAD)
    assert not r.returncode, r.stdout+r.stderr[-3000:]
    print(r.stdout)
    assert not r.stdout.startswith('0 '), 'none of the limits was small enough'

TRAIN = ['--world','sprites','--preset','robot-16','--kimg','4','--save','.04','--threads','1']

def started(*before, out, **kwargs):
    "A training that has saved once"
    p = subprocess.Popen([*before, sys.executable, script('semistyle_train'), *TRAIN, '--out', out],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                         env=os.environ | ONE_THREAD, **kwargs)
    while not (out/'state').exists(): assert p.poll() is None, p.stderr.read(); time.sleep(.05)
    return p

def ends(p, *says):
    "It ends with exit code 2 and one sentence that has these words"
    err = p.communicate(timeout=120)[1]
    last = [o for o in err.replace('\r', '\n').split('\n') if o.strip()][-1]
    assert p.returncode==2 and 'Traceback' not in err and all(o in last for o in says), (p.returncode, err[-2000:])

def test_a_folder_that_is_removed(tmp_path):
    "It is not made again by the next save, as a folder with a part of a run"
    p = started(out=tmp_path/'a')
    (tmp_path/'a').rename(tmp_path/'moved'); shutil.rmtree(tmp_path/'moved')
    ends(p, 'was removed, or its disk went away, while it was in use')
    assert not [o for o in (tmp_path/'a').rglob('*') if o.is_file()]

@pytest.mark.slow
def test_a_folder_that_is_moved(tmp_path):
    "Moved elsewhere while it trains: the run stops, and goes on from where it lies now"
    p = started(out=tmp_path/'a')
    (tmp_path/'a').rename(tmp_path/'b')
    ends(p, 'was removed, or its disk went away')
    r = run('semistyle_train', '--out', tmp_path/'b', '--resume', '--kimg', 4)
    assert r.code==0 and not [o for o in (tmp_path/'a').rglob('*') if o.is_file()], r.err

@pytest.mark.slow
@pytest.mark.parametrize('how,says', [('umount -l', 'its disk went away'),
                                      ('mount -o remount,ro', 'the disk is read-only')], ids=['gone','read-only'])
def test_a_disk_that_goes_away(how, says, tmp_path):
    "In the middle of a training; nothing is written to the place where it was mounted"
    if not may_mount(): pytest.skip('this machine lets nobody mount a file system')
    disk = tmp_path/'disk'; disk.mkdir()
    cmd = f"{sys.executable} {script('semistyle_train')} {' '.join(TRAIN)} --out {disk}/a"
    sh = f"""mount -t tmpfs tmpfs {disk} && ({cmd} & p=$!; while [ ! -e {disk}/a/state ]; do sleep .05; kill -0 $p || exit 9; done
             for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do {how} {disk} 2>/dev/null && break; sleep .02; done; wait $p; code=$?; ls -A {disk}/a 2>/dev/null | sed 's/^/LEFT /'; exit $code)"""
    p = subprocess.run(['unshare','-rm','sh','-c',sh], capture_output=True, text=True, env=os.environ | ONE_THREAD)
    last = [o for o in p.stderr.replace('\r', '\n').split('\n') if o.strip()][-1]
    assert p.returncode==2 and says in last and 'Traceback' not in p.stderr, (p.returncode, p.stderr[-2000:])
    if 'umount' in how: assert 'LEFT' not in p.stdout
    else: assert 'LEFT run.json' in p.stdout and '.new-' not in p.stdout

@pytest.mark.slow
@pytest.mark.parametrize('kb', [4,40,150])
def test_a_limit_on_the_size_of_a_file(kb, tmp_path):
    "RLIMIT_FSIZE, as some clusters set it; with it lifted the run starts or goes on"
    def limit(): resource.setrlimit(resource.RLIMIT_FSIZE, (kb*1024,kb*1024))
    args = ['--world','sprites','--preset','robot-16','--kimg','.08','--save','.04','--threads','1']
    p = subprocess.run([sys.executable, script('semistyle_train'), *args, '--out', tmp_path/'a'], capture_output=True,
                       text=True, env=os.environ | ONE_THREAD, preexec_fn=limit)
    last = [o for o in p.stderr.replace('\r', '\n').split('\n') if o.strip()][-1]
    assert p.returncode==2 and 'could not write' in last and 'larger than is allowed here' in last and 'Traceback' not in p.stderr, p.stderr[-2000:]
    r = run('semistyle_train', *args, '--out',
            tmp_path/'a') if not (tmp_path/'a'/'run.json').exists() else run('semistyle_train', '--out', tmp_path/'a', '--resume')
    assert r.code==0, r.err
