/** `cotangent list`: what can be run, and on which data. */
import { namedDatasets } from '../data/dataset.js';
import { type Surroundings, writeJson } from './terminal.js';
import { renderTable } from './text.js';

export function list({ experiments, stdout }: Surroundings, options: { readonly json?: boolean }): void {
  const datasets = namedDatasets.map(({ name, about, available, install }) => ({
    name,
    about,
    available: available(),
    install,
  }));
  if (options.json) {
    const known = experiments.map(({ name, title, paper, describe }) => ({ name, title, paper, describe }));
    writeJson(stdout, { experiments: known, datasets });
    return;
  }
  const tables = [
    renderTable({
      title: 'Experiments (cotangent run NAME)',
      columns: ['name', 'title'],
      rows: experiments.map(({ name, title }) => [name, title]),
    }),
    renderTable({
      title: 'Data sets (--data NAME)',
      columns: ['name', 'contents', 'installed'],
      rows: datasets.map(({ name, about, available, install }) => [name, about, available ? 'yes' : `no: ${install}`]),
    }),
  ];
  stdout.write(`${tables.join('\n\n')}\n`);
}
