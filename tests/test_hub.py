"Models by way of the Hub: up and down by its HTTP API, which a server on this machine speaks; broken connections, wrong bytes, no connection."
import base64,hashlib,http.server,json,os,re,socket,subprocess,sys,threading
import pytest
from commands import ONE_THREAD,refuses,script
hub = pytest.importorskip('huggingface_hub')

class Hub(http.server.BaseHTTPRequestHandler):
    "The part of the Hub's API that uploads and downloads take: repositories, commits, large files by LFS, files by revision"
    protocol_version = 'HTTP/1.1'
    def log_message(self, *args): pass
    def answer(self, code, body=b'', **headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        for k,v in ({'Content-Length':len(body)} | {k.replace('_', '-'):v for k,v in headers.items()}).items():
            self.send_header(k, str(v))
        self.end_headers()
        if self.command!='HEAD': self.wfile.write(body)
    def hang_up(self): self.close_connection = True; self.connection.shutdown(socket.SHUT_RDWR)
    def do_POST(self):
        if self.server.dead: return self.hang_up()
        s,body = self.server,self.rfile.read(int(self.headers.get('Content-Length') or 0))
        s.asked.append((self.command, self.path))
        if s.token and self.headers.get('Authorization')!=f'Bearer {s.token}':
            return self.answer(401, dict(error='Unauthorized'))
        if self.path=='/api/repos/create':
            d = json.loads(body); name = f"{d.get('organization') or 'user'}/{d['name']}"
            if name in s.repos: return self.answer(409, dict(error='exists', url=f'{s.url}/{name}'))
            s.repos[name] = {}
            return self.answer(200, dict(url=f'{s.url}/{name}', name=name, id=name))
        if self.path=='/api/validate-yaml': return self.answer(200, dict(errors=[], warnings=[]))
        if m := re.fullmatch(r'/api/models/(.+)/preupload/main', self.path):
            files = [dict(path=o['path'], uploadMode='lfs' if o['path'].endswith(('.safetensors','.onnx')) else 'regular', shouldIgnore=False) for o in json.loads(body)['files']]
            return self.answer(200, dict(files=files))
        if self.path.endswith('/info/lfs/objects/batch'):
            objects = [dict(o, actions=dict(upload=dict(href=f"{s.url}/store/{o['oid']}")))
                       for o in json.loads(body)['objects']]
            return self.answer(200, dict(transfer='basic', objects=objects))
        if m := re.fullmatch(r'/api/models/(.+)/commit/main', self.path):
            for d in map(json.loads, body.splitlines()):
                v = d['value']
                if d['key']=='file': s.repos[m[1]][v['path']] = base64.b64decode(v['content'])
                if d['key']=='lfsFile': s.repos[m[1]][v['path']] = s.store[v['oid']]
            return self.answer(200, dict(commitUrl=f'{s.url}/{m[1]}/commit/{s.commit}', commitOid=s.commit,
                                         success=True))
        self.answer(404, dict(error=self.path))
    def do_PUT(self):
        body = self.rfile.read(int(self.headers['Content-Length'])); oid = self.path.split('/')[-1]
        assert hashlib.sha256(body).hexdigest()==oid
        self.server.store[oid] = body; self.answer(200)
    def do_GET(self):
        s = self.server
        if s.dead: return self.hang_up()
        s.asked.append((self.command, self.path, self.headers.get('Range')))
        m = re.fullmatch(r'/(?:api/models/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)', self.path)
        repo = s.repos.get(m[1]) if m else None
        if repo is None: return self.answer(404, dict(error='not found'), X_Error_Code='RepoNotFound')
        if m[2] not in ('main','v1',s.commit):
            return self.answer(404, dict(error='not found'), X_Error_Code='RevisionNotFound')
        if m[3] not in repo:
            return self.answer(404, dict(error='not found'), X_Error_Code='EntryNotFound', X_Repo_Commit=s.commit)
        data = repo[m[3]]; start = int((self.headers.get('Range') or 'bytes=0-')[6:].split('-')[0])
        about = {'ETag':f'"{hashlib.sha256(data).hexdigest()}"', 'X_Repo_Commit':s.commit, 'Accept_Ranges':'bytes'}
        # half of it, and the line is dead
        if self.command=='GET' and m[3]==s.breaks and not start:
            self.send_response(200)
            for k,v in (about | {'Content-Length':len(data)}).items(): self.send_header(k.replace('_', '-'), str(v))
            self.end_headers(); self.wfile.write(data[:len(data)//2]); self.wfile.flush(); s.breaks = None
            return self.hang_up()
        if start:
            return self.answer(206, data[start:], **about, Content_Range=f'bytes {start}-{len(data)-1}/{len(data)}')
        self.answer(200, data, **about)
    do_HEAD = do_GET

@pytest.fixture
def server(monkeypatch, tmp_path):
    "A Hub on this machine with nothing in it, and an empty cache"
    s = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Hub); s.daemon_threads = True
    s.url,s.repos,s.store,s.asked,s.commit,s.breaks,s.token,s.dead = f'http://127.0.0.1:{s.server_port}',{},{},[],'a'*40,None,None,False
    threading.Thread(target=s.serve_forever, daemon=True).start()
    for name in ('constants','hf_api','file_download'):
        mod = __import__(f'huggingface_hub.{name}', fromlist=['x'])
        if hasattr(mod, 'ENDPOINT'): monkeypatch.setattr(mod, 'ENDPOINT', s.url)
    template = s.url+'/{repo_id}/resolve/{revision}/{filename}'
    monkeypatch.setattr('huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE', template)
    if hasattr(hub.file_download, 'HUGGINGFACE_CO_URL_TEMPLATE'):
        monkeypatch.setattr('huggingface_hub.file_download.HUGGINGFACE_CO_URL_TEMPLATE', template)
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_CACHE', str(tmp_path/'cache'))
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_DISABLE_XET', True)
    monkeypatch.setenv('HF_TOKEN', 'hf_mine')
    monkeypatch.chdir(tmp_path)
    yield s
    s.shutdown()

def shared(server, model='robot-oracle-32', repo='user/oracle', **kwargs):
    from semistyle.runs.share import push_to_hub
    return push_to_hub(model, repo, **kwargs)

def test_up_and_down(server):
    "What is shared is what was saved, with the Hub's metadata and no pickle; its name is a model everywhere"
    import torch
    from semistyle.models.checkpoint import load_model
    assert shared(server, license='apache-2.0')==f'{server.url}/user/oracle/commit/{"a"*40}'
    assert set(server.repos['user/oracle'])=={'config.json','model_card.md','oracle.safetensors','README.md'}
    card = server.repos['user/oracle']['README.md'].decode()
    assert hub.ModelCard(card).data.to_dict()['library_name']=='semistyle' and hub.ModelCard(card).data.license=='apache-2.0'
    mine,theirs = load_model('robot-oracle-32').oracle,load_model('user/oracle').oracle
    assert all(torch.equal(v, theirs.state_dict()[k]) for k,v in mine.state_dict().items())
    assert load_model('user/oracle@v1').card==load_model('robot-oracle-32').card
    shared(server)                                                                     # again, where there is one

def test_only_json_and_safetensors_are_fetched(server):
    from semistyle.models.checkpoint import load_model
    shared(server)
    server.repos['user/oracle'] |= {'evil.pkl':b'\x80\x04.', 'pytorch_model.bin':b'PK\3\4', 'setup.py':b'import os'}
    server.asked.clear(); load_model('user/oracle')
    assert {o[1].split('/')[-1] for o in server.asked if 'resolve' in o[1]}=={'config.json','oracle.safetensors','model_card.md'}

def test_graph(server):
    "With the generator as an ONNX graph beside it"
    pytest.importorskip('onnxscript')
    shared(server, 'shapes-stylegan2-32', 'user/shapes', onnx=True)
    files = server.repos['user/shapes']
    assert {'generator.safetensors','model.onnx'}<=set(files) and '"onnx"' in files['README.md'].decode() and 'load_model(\'user/shapes\')' in files['README.md'].decode()

def test_broken_download_goes_on(server, monkeypatch):
    "The line dies in the middle of a file: what is missing is asked for, and the bytes are right"
    from semistyle.models.checkpoint import load_model
    monkeypatch.setattr('huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE', 4096)        # of a larger file it is 10 MB
    shared(server); server.breaks = 'oracle.safetensors'; server.asked.clear()
    load_model('user/oracle')
    asked = [o[2] for o in server.asked if o[0]=='GET' and o[1].endswith('oracle.safetensors')]
    n = len(server.repos['user/oracle']['oracle.safetensors'])//2
    assert len(asked)==2 and not asked[0] and re.fullmatch(r'bytes=(\d+)-', asked[1]) and 0<int(asked[1][6:-1])<=n

@pytest.mark.parametrize('file', ['oracle.safetensors','config.json'])
def test_wrong_bytes_are_refused(server, file):
    "A byte that was changed on the Hub: its checksum is that of no saved model"
    from semistyle.models.checkpoint import load_model
    shared(server)
    data = bytearray(server.repos['user/oracle'][file])
    at = data.index(b'robot') if file=='config.json' else len(data)-5
    data[at] ^= 1; server.repos['user/oracle'][file] = bytes(data)
    with pytest.raises(ValueError, match='its checksum differs.*remove .* and load it again, or tell its author'):
        load_model('user/oracle')

def test_cached(server, monkeypatch):
    "A second time, offline, from the cache"
    from semistyle.models.checkpoint import load_model
    shared(server); load_model('user/oracle')
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', True); server.asked.clear()
    load_model('user/oracle'); assert not server.asked

def test_sentences(server, monkeypatch):
    from semistyle.models.checkpoint import load_model
    with pytest.raises(ValueError, match='should have a repository user/none, has none that may be read'):
        load_model('user/none')
    server.repos['user/other'] = {'README.md':b'x'}
    with pytest.raises(ValueError, match='should hold a semistyle model, lacks a file of it'): load_model('user/other')
    with pytest.raises(ValueError, match='should have that revision, does not'): load_model('user/other@v9')
    server.repos['user/other'] = {'config.json':b'{"model_type": "bert"}'}
    with pytest.raises(ValueError, match='its config.json names no networks'): load_model('user/other')
    server.token = 'another'
    with pytest.raises(ValueError, match='let you write to user/oracle, does not: log in'): shared(server)
    server.dead = True
    with pytest.raises(ValueError, match='the Hub failed with user/else'): load_model('user/else')
    with pytest.raises(ValueError, match='the Hub failed with user/oracle'): shared(server)

def test_not_reachable(server, monkeypatch):
    "Nobody listens"
    from semistyle.models.checkpoint import load_model
    with socket.socket() as s: s.bind(('127.0.0.1', 0)); port = s.getsockname()[1]
    monkeypatch.setattr('huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE',
                        f'http://127.0.0.1:{port}'+'/{repo_id}/resolve/{revision}/{filename}')
    monkeypatch.setattr('huggingface_hub.constants.ENDPOINT', f'http://127.0.0.1:{port}')
    with pytest.raises(ValueError, match='could not be fetched and is not in the cache: check the connection|the Hub '
                                         'failed with user/else'):
        load_model('user/else')

def test_commands(server, tmp_path):
    "`semistyle_export --hub`, and a name of the Hub where a model is asked for"
    env = os.environ | ONE_THREAD | dict(HF_ENDPOINT=server.url, HF_HOME=str(tmp_path/'home'), HF_HUB_DISABLE_XET='1',
                                         HF_TOKEN='hf_mine')
    p = subprocess.run([sys.executable, script('semistyle_export'), 'shapes-stylegan2-32', '--hub', 'user/shapes'],
                       capture_output=True, text=True, env=env, cwd=tmp_path)
    assert p.returncode==0 and f'shared: {server.url}/user/shapes/commit/' in p.stdout, p.stderr[-1500:]
    p = subprocess.run([sys.executable, script('semistyle_show'), 'user/shapes', '--kind', 'grid', '--out', 'grid.png'],
                       capture_output=True, text=True, env=env, cwd=tmp_path)
    assert p.returncode==0 and (tmp_path/'grid.png').exists(), p.stderr[-1500:]

def test_a_missing_folder_is_no_repository(tmp_path, monkeypatch):
    "A path whose folder is here is meant as one: nothing is asked"
    (tmp_path/'runs').mkdir(); monkeypatch.chdir(tmp_path)
    refuses('semistyle_show', 'runs/none', says=['runs/none should be a folder that holds config.json, is missing'])
