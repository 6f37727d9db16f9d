/** The version that the admin interface and the node tell. */
export const VERSION = '0.1.0';
