import { IMPURE_MODULES, PURE, TABLE } from './scripts/import-table.mjs';

// Tests may reach across the house to compare its parts; what ships may not.
const TEST = '\\.test\\.ts$|^src/[^/]+\\.ts$';

const walls = Object.entries(TABLE)
  .filter(([, allowed]) => allowed !== null)
  .map(([folder, allowed]) => ({
    name: `${folder}-imports`,
    comment: `${folder} may import: base${allowed.length ? `, ${allowed.join(', ')}` : ''}`,
    severity: 'error',
    from: { path: `^src/${folder}/`, pathNot: TEST },
    to: { path: '^src/', pathNot: `^src/(${[folder, 'base', ...allowed].join('|')})/` },
  }));

const purity = PURE.map((folder) => ({
  name: `${folder}-is-pure`,
  comment: `${folder} holds logic only: no sockets, files or timers`,
  severity: 'error',
  from: { path: `^src/${folder}/`, pathNot: TEST },
  to: { path: IMPURE_MODULES },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    ...walls,
    ...purity,
    {
      name: 'known-folders',
      comment: 'a folder of src stands in the import table, or it has no walls',
      severity: 'error',
      from: {},
      to: { path: '^src/[^/]+/', pathNot: `^src/(${Object.keys(TABLE).join('|')})/` },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      from: { pathNot: '^src/api/gen/' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true, pathNot: '^@bufbuild/protobuf/' } },
  ],
  options: {
    parser: 'swc',
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: ['node_modules', '^src/api/gen/'] },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.mjs', '.json'],
      conditionNames: ['import', 'node', 'default'],
    },
  },
};
