/** The system's tools and libraries that the build needs: what is missing, and how to get it. */
import { existsSync } from 'node:fs';
import { announce, firstOnPath, output, run, SetupError } from './process.mjs';

const minimumCMake = [3, 20];
const defaultBlas = 'openblas';

/** Homebrew keeps OpenBLAS out of pkg-config's way. */
export function pkgConfigEnvironment() {
  if (process.platform !== 'darwin') return {};
  const folders = ['/opt/homebrew', '/usr/local'].map((prefix) => `${prefix}/opt/openblas/lib/pkgconfig`);
  return { PKG_CONFIG_PATH: [process.env.PKG_CONFIG_PATH, ...folders.filter(existsSync)].filter(Boolean).join(':') };
}

function hasLibrary(name) {
  return output('pkg-config', ['--exists', name], pkgConfigEnvironment()) !== undefined;
}

function hasCMake() {
  const version = /version (\d+)\.(\d+)/.exec(output('cmake', ['--version']) ?? '');
  if (!version) return false;
  const [major, minor] = version.slice(1).map(Number);
  return major > minimumCMake[0] || (major === minimumCMake[0] && minor >= minimumCMake[1]);
}

function hasCompiler() {
  const names = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++'];
  return names.some((name) => output(name, ['--version']) !== undefined);
}

/** In the order of `managers`: the package that brings it. */
const requirements = (blas) => [
  { what: 'a C++17 compiler', found: hasCompiler, packages: ['g++', 'gcc-c++', 'gcc', 'gcc'] },
  { what: `CMake ${minimumCMake.join('.')} or newer`, found: hasCMake, packages: ['cmake', 'cmake', 'cmake', 'cmake'] },
  { what: 'make or ninja', found: () => firstOnPath('ninja', 'make'), packages: ['make', 'make', 'make', 'ninja'] },
  {
    what: 'pkg-config',
    found: () => firstOnPath('pkg-config'),
    packages: ['pkg-config', 'pkgconf-pkg-config', 'pkgconf', 'pkgconf'],
  },
  ...(blas === defaultBlas
    ? [
        {
          what: 'OpenBLAS with LAPACK',
          found: () => hasLibrary(blas),
          packages: ['libopenblas-dev', 'openblas-devel', 'openblas', 'openblas'],
        },
      ]
    : blas.split(',').map((name) => ({ what: `the pkg-config module ${name}`, found: () => hasLibrary(name) }))),
  {
    what: 'Highway',
    found: () => hasLibrary('libhwy'),
    packages: ['libhwy-dev', 'highway-devel', 'highway', 'highway'],
  },
  {
    what: 'KissFFT',
    found: () => hasLibrary('kissfft-float'),
    packages: ['libkissfft-dev', 'kiss-fft-devel', 'kissfft', 'kissfft'],
  },
];

const managers = [
  { command: 'apt-get', install: (packages) => `apt-get install -y ${packages}`, superuser: true },
  { command: 'dnf', install: (packages) => `dnf install -y ${packages}`, superuser: true },
  { command: 'pacman', install: (packages) => `pacman -S --needed ${packages}`, superuser: true },
  { command: 'brew', install: (packages) => `brew install ${packages}`, superuser: false },
];

const missingFrom = (list) => list.filter((requirement) => !requirement.found());
const isRoot = () => process.getuid?.() === 0;

/**
 * Makes sure that the build's tools are there. On Debian and Ubuntu what is missing is installed, when we may.
 *
 * @param options.blas     pkg-config names of BLAS and LAPACK, separated by commas. Default: 'openblas'.
 * @param options.install  false: never install, only tell. Default: true.
 * @throws {SetupError} something is missing; the message holds the one line to type.
 */
export function ensureTools({ blas = defaultBlas, install = true } = {}) {
  const list = requirements(blas);
  let missing = missingFrom(list);
  if (missing.length === 0) return;
  const prefix = isRoot() ? [] : ['sudo', '-n'];
  const mayInstall = isRoot() || (firstOnPath('sudo') && output('sudo', ['-n', 'true']) !== undefined);
  if (install && firstOnPath('apt-get') && mayInstall && missing.every((requirement) => requirement.packages)) {
    missing = installWithApt(list, missing, prefix);
    if (missing.length === 0) return;
  }
  throw new SetupError(explain(missing));
}

function installWithApt(list, missing, prefix) {
  const apt = (...args) => {
    const [command, ...rest] = [...prefix, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', ...args];
    run(command, rest);
  };
  try {
    announce('apt-get update');
    apt('update', '-qq');
    // Without pkg-config nobody can tell which libraries are there: they are installed along with it.
    const wanted = missing.map((requirement) => requirement.packages[0]);
    announce(`apt-get install ${wanted.join(' ')}`);
    apt('install', '-y', '-qq', '-o', 'Dpkg::Use-Pty=0', '--no-install-recommends', ...wanted);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(error.message); // what is still missing is told below
  }
  return missingFrom(list);
}

function explain(missing) {
  const lines = [`Missing: ${missing.map((requirement) => requirement.what).join(', ')}.`];
  const column = managers.findIndex((manager) => firstOnPath(manager.command));
  const installable = missing.filter((requirement) => requirement.packages);
  if (installable.length < missing.length) lines.push('Check the name given to --blas, or PKG_CONFIG_PATH.');
  if (installable.length > 0) {
    const manager = managers[Math.max(column, 0)];
    const packages = installable.map((requirement) => requirement.packages[Math.max(column, 0)]).join(' ');
    const sudo = manager.superuser && !isRoot() ? 'sudo ' : '';
    lines.push(
      column < 0 ? 'Install them with your package manager; on Debian or Ubuntu:' : 'Type this, then try again:',
    );
    lines.push(`  ${sudo}${manager.install(packages)}`);
  }
  return lines.join('\n');
}
