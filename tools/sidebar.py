"""Write the sidebar into `_quarto.yml` from the notebooks' folders and numbers; run it after adding, moving or renumbering one."""
import re
from pathlib import Path
import yaml
from fastcore.script import call_parse

ROOT  = Path(__file__).parents[1]
# what a newcomer reads first, in this order
START = 'quickstart','your_own_data','discover','edit_an_image','i_have_a_pkl'
PAPERS = 'stylegan','semi','contrafeat','distilled'              # as they were published
PART  = re.compile(r'(?<=\n  sidebar:\n    style: docked\n).*?(?=\n\S)', re.S)

def number(
    nb:Path # Notebook
)->int:     # Of its name, which is its layer in the order of imports; -1 without one
    "The number that a notebook's name starts with"
    return int((re.match(r'\d+', nb.name) or ['-1'])[0])

def listed(
    nbs:Path,   # Folder of notebooks
    folder:str, # One that has no numbers
    first:tuple # Starts of names that come first, in this order
)->list:        # Notebooks below `folder`, the others by name
    "The notebooks of a folder in a given order"
    place = lambda nb: next((i for i,o in enumerate(first) if nb.stem.startswith(o)), len(first))
    return sorted((nbs/folder).glob('*.ipynb'), key=lambda nb: (place(nb), nb.name))

def sidebar(
    nbs:Path=ROOT/'nbs' # Folder of notebooks
)->list:                # Quarto's `contents`: every notebook once
    "Overview, start here, the papers, then the library in the order of imports"
    rooms = {}
    for nb in nbs.rglob('[0-9]*.ipynb'):
        if any(o.startswith(('.','_')) for o in nb.relative_to(nbs).parts): continue
        top = nb.relative_to(nbs).parts[0]
        rooms.setdefault(top.capitalize() if top!=nb.name else 'Core' if number(nb)<10 else 'Sliders and commands',
                         []).append(nb)
    refs = lambda ps: [str(p.relative_to(nbs)) for p in ps]
    def room(ps): return sorted(ps, key=lambda p: (number(p), str(p)))
    library = [dict(section=name, contents=refs(room(ps)))
               for name,ps in sorted(rooms.items(), key=lambda o: number(room(o[1])[0]))]
    return [dict(text='Overview', href='index.ipynb'),
            dict(section='Start here', contents=refs([*listed(nbs, 'tutorials', START), nbs/'commands.ipynb',
                                                      nbs/'promises.ipynb'])),
            dict(section='The papers', contents=refs(listed(nbs, 'papers', PAPERS))),
            dict(section='The library', contents=library)]

def with_sidebar(
    text:str # Of `_quarto.yml`
)->str:      # The same with the sidebar that the notebooks have now
    "Replace the sidebar's contents, and nothing else"
    contents = yaml.safe_dump(dict(contents=sidebar()), sort_keys=False, indent=2)
    new = '    collapse-level: 2\n' + '    # made by tools/sidebar.py\n' + ''.join(f'    {o}\n' for o in contents.splitlines())
    return PART.sub(lambda m: new, text, 1)

@call_parse
def main():
    "Write the sidebar into `_quarto.yml`"
    f = ROOT/'_quarto.yml'
    f.write_text(with_sidebar(f.read_text()))
