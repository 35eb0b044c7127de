/**
 * npm run cuda:libraries: cuBLAS, cuSOLVER and cuSPARSE of CUDA 13.0 into build/cuda-libraries, from NVIDIA's Python wheels, for
 * machines that have nvcc without them. Does nothing where the toolkit or COTANGENT_CUDA_ROOT has them.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { cudaObstacle, wheelFolder } from './internal/cuda.mjs';
import { announce, firstOnPath, main, root, run, SetupError } from './internal/process.mjs';

const wheels = [
  'nvidia-cublas==13.1.1.3',
  'nvidia-cusparse==12.6.3.3',
  'nvidia-cusolver==12.0.4.66',
  'nvidia-cuda-cccl==13.0.85',
];

await main(() => {
  const obstacle = cudaObstacle();
  if (!obstacle) return console.log('cuda:libraries: cuBLAS and cuSOLVER are there');
  if (!obstacle.librariesOnly) throw new SetupError(`Expected the CUDA toolkit: ${obstacle.reason}.`);
  const python = firstOnPath('python3', 'python');
  if (!python) throw new SetupError('Expected python3 on the PATH, found none.');
  const folder = join(root, wheelFolder);
  announce(`${wheels.join(' ')} -> ${wheelFolder}`);
  rmSync(folder, { recursive: true, force: true });
  run(python, ['-m', 'venv', folder]);
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--retries', '0', '--timeout', '3'];
  run(join(folder, 'bin/python'), [...pip, '--only-binary=:all:', ...wheels]);
});
