// What npm has installed into PAGE_WORK, so that nothing has to be installed beside these files.

import { createRequire } from 'node:module';

export const work = process.env.PAGE_WORK ?? process.cwd();

export const require = createRequire(`${work}/`);
