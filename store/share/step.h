/* Named points of the protocol between processes. In the library they do nothing. A test compiles
 * the library with KEYTREE_STEPS and supplies step(), which kills the process at one of the points
 * or lets another thread run.
 */
#ifndef STORE_SHARE_STEP_H
#define STORE_SHARE_STEP_H

#ifdef KEYTREE_STEPS
void step(const char *name);
#define STEP(name) step(name)
#else
#define STEP(name) ((void)0)
#endif

#endif
