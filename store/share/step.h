/* Named points of the protocol between processes. In the library they are nothing; a test that
 * defines KEYTREE_STEPS compiles it with a function there, which ends the process at one of them,
 * or lets another thread go on.
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
