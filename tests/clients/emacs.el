;;; emacs.el --- The conversation from Emacs' jsonrpc.el  -*- lexical-binding: t -*-

(require 'jsonrpc)
(require 'cl-lib)

(defvar conversation-events nil "What the server pushed.")

(defconst conversation-patience 60 "Seconds until an answer counts as missing.")

(defun conversation-eventually (what condition)
  "Wait until the function CONDITION returns something; WHAT says for what."
  (let ((end (+ (float-time) conversation-patience)))
    (while (not (funcall condition))
      (when (> (float-time) end) (error "Never: %s" what))
      (accept-process-output nil 0.05))))

(defun conversation-code (connection method params)
  "The code of the error that METHOD with PARAMS is answered with."
  (condition-case oops
      (progn (jsonrpc-request connection method params :timeout conversation-patience) nil)
    (jsonrpc-error (alist-get 'jsonrpc-error-code (cddr oops)))))

(defun conversation-is-added (session)
  "Whether a change told that SESSION was added."
  (cl-some
   (lambda (event)
     (let ((result (plist-get event :result)))
       (and (> (plist-get result :seq) 1)
            (cl-some (lambda (change)
                       (and (equal (plist-get change :kind) "added")
                            (equal (plist-get (plist-get change :session) :sessionId) session)))
                     (plist-get result :changes)))))
   conversation-events))

(let* ((world (getenv "WORLD"))
       (process (make-process
                 :name "headcount" :connection-type 'pipe :coding 'utf-8-emacs-unix :noquery t
                 :stderr (get-buffer-create "*headcount stderr*")
                 :command (list (getenv "HEADCOUNT") "--home" (concat world "/home")
                                "--proc" (concat world "/proc") "serve")))
       (connection (make-instance
                    'jsonrpc-process-connection :name "headcount" :process process
                    :notification-dispatcher
                    (lambda (_connection method params)
                      (when (eq method 'session.changed) (push params conversation-events)))))
       (ask (lambda (method params)
              (jsonrpc-request connection method params :timeout conversation-patience))))
  (let ((hello (funcall ask :initialize (list :processId (emacs-pid)))))
    (cl-assert (equal (plist-get (plist-get hello :serverInfo) :name) "headcount"))
    (cl-assert (cl-find "session.list"
                        (cl-reduce #'plist-get '(:capabilities :experimental :headcount :methods)
                                   :initial-value hello)
                        :test #'equal)))
  (jsonrpc-notify connection :initialized nil)

  (cl-assert (> (length (plist-get (funcall ask :session.list nil) :sessions)) 0))
  (cl-assert (eql (conversation-code connection :session.list '(:colour "red")) -32602))
  (cl-assert (eql (conversation-code connection :session.dance nil) -32601))

  (let* ((code nil)
         (wait '(:filter (:agents ["codex"]) :until ["waiting"] :timeoutMs 600000))
         ;; The public function does not tell the id, which a cancellation has to name.
         (id (car (jsonrpc--async-request-1 connection :session.wait wait
                                            :success-fn #'ignore
                                            :error-fn (lambda (err) (setq code (plist-get err :code)))))))
    (jsonrpc-notify connection :$/cancelRequest (list :id id))
    (conversation-eventually "the cancelled answer" (lambda () code))
    (cl-assert (eql code -32800)))

  (let ((subscription (funcall ask :session.watch nil))
        (session (getenv "SESSION")))
    ;; Emacs 28 leaves what came with an answer unread until something else comes.
    (conversation-eventually "the snapshot"
                             (lambda () (funcall ask :session.list nil) conversation-events))
    (copy-file (concat world "/arriving.jsonl") (getenv "TARGET"))
    (conversation-eventually "the added session" (lambda () (conversation-is-added session)))
    (cl-assert (eq (funcall ask :session.unwatch (list :subscription subscription)) t)))

  (cl-assert (null (funcall ask :shutdown nil)))
  (jsonrpc-notify connection :exit nil)
  (conversation-eventually "the end" (lambda () (not (process-live-p process))))
  (cl-assert (eql (process-exit-status process) 0)))

;;; emacs.el ends here
